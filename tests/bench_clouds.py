"""What the pool adds to a cloud's own time: servers by xenci and by bare openstacksdk, in the same run.

The cloud is real. 25 servers are brought to ACTIVE with Nova's fake compute driver, and ten stand-in machines to an SSH
that answers with the key that the console told. xenci is its real worker with all of the pool's steps; bare are as many
threads as the worker has slots, each of which creates a server and waits for it in the SDK's own way.
"""

import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from openstack.compute.v2.server import Server
from openstack.connection import Connection
from rich.console import Console
from rich.table import Table
from sqlalchemy import func, select

from tests.lab.pooling import active, connection, counting_context, give_up_all, pool_settings, ready, want
from tests.lab.test_clouds import shell
from xenci.lab import clouds
from xenci.lab.paths import LabPaths, cache_dir
from xenci.model.node import LIVE_STATES
from xenci.providers.calls import Calls
from xenci.providers.openstack_session import connect
from xenci.services.api_calls import note_calls
from xenci.services.context import Context
from xenci.services.engine import Step, Stopper, defer, run_worker
from xenci.services.steps import STEPS
from xenci.services.sweep import sweep
from xenci.store import schema
from xenci.store.database import Database
from xenci.store.embedded import Cluster
from xenci.store.tables import ApiCallRow, NodeRow, ProviderRow

ROUNDS = 2
#: the worker's slots, and the bare threads
THREADS = 8
PORT = 17500
#: what a worker needs for nodes; there is no Gerrit for the others
_STEPS: dict[str, Step] = {
    name: step if name in ("clock", "tick", "pool", "node", "dispatch") else lambda _ctx, _row: None
    for name, step in STEPS.items()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How far so many servers are brought, and who waits for it."""

    what: str
    driver: str
    count: int
    ours: Callable[[Context], int]
    bare: Callable[[LabPaths, Connection, Server], None]


def measure(folder: Path) -> None:
    """Bring up a cloud, measure, print a table, and end the cloud; with each driver."""
    paths = LabPaths(state=folder / "c", cache=cache_dir(), port=PORT)
    cluster = Cluster(folder / "pool-db")
    cluster.start()
    try:
        for way in WAYS:
            clouds.start(paths, only=("ca",), driver=way.driver, quota=30)
            os.environ["OS_CLIENT_CONFIG_FILE"] = str(paths.clouds_yaml)
            cluster.ensure_database(way.driver)
            database = Database(cluster.url(way.driver))
            schema.upgrade(database)
            _show(_context(paths, database, folder, way), paths, way)
            database.dispose()
    finally:
        clouds.stop(paths)
        cluster.stop()


def _show(ctx: Context, paths: LabPaths, way: Way) -> None:
    bare: list[float] = []
    ours: list[float] = []
    bare_calls = our_calls = lists = 0
    for _ in range(ROUNDS):
        counted = Calls()
        bare.append(_bare(ctx, paths, counted, way))
        bare_calls += sum(counted.take().values())
        before, lists_before = _asked(ctx)
        ours.append(_ours(ctx, way))
        after, lists_after = _asked(ctx)
        our_calls += after - before
        lists += lists_after - lists_before
        swept = _swept(ctx)
        give_up_all(ctx)
    table = Table(box=None, title=f"{way.count} servers of a real cloud, {way.what}", title_justify="left")
    for column in ("what", "xenci", "bare SDK calls", "ratio"):
        table.add_column(column)
    a, b = statistics.median(ours), statistics.median(bare)
    table.add_row("from asked for until then", f"{a:.1f} s", f"{b:.1f} s", f"{a / b:.2f}")
    table.add_row("API calls until then", f"{our_calls / ROUNDS:.0f}", f"{bare_calls / ROUNDS:.0f}", "")
    table.add_row("of these, lists of servers", f"{lists / ROUNDS:.1f}, one in {sum(ours) / lists:.1f} s", "", "")
    table.add_row("a sweep of leftovers beside them", f"{swept:.2f} s", "", "")
    Console().print(table)


def _until_active(_: LabPaths, cloud: Connection, server: Server) -> None:
    cloud.compute.wait_for_server(server, wait=600)


def _until_ssh(paths: LabPaths, cloud: Connection, server: Server) -> None:
    shell(paths, cloud, cloud.compute.wait_for_server(server, wait=600)).close()


WAYS = (
    Way(
        what="Nova's fake driver, to ACTIVE",
        driver="fake",
        count=25,
        ours=lambda ctx: active(ctx).total(),
        bare=_until_active,
    ),
    Way(
        what="stand-in machines, to an SSH that is theirs",
        driver="xenmachine",
        count=10,
        ours=lambda ctx: ready(ctx).total(),
        bare=_until_ssh,
    ),
)


def _context(paths: LabPaths, database: Database, folder: Path, way: Way) -> Context:
    settings = pool_settings(paths, folder, system="bench", max_servers=way.count, max_nodes=way.count)
    return counting_context(settings.model_copy(update={"providers": settings.providers[:1]}), database)


def _bare(ctx: Context, paths: LabPaths, counted: Calls, way: Way) -> float:
    """Create servers and wait for them, by the SDK alone; return the seconds. They are gone afterwards."""
    cloud = connect(ctx.settings.providers[0], counted)
    began = time.perf_counter()
    image = cloud.image.find_image("standin", ignore_missing=False).id
    flavor = cloud.compute.find_flavor("small", ignore_missing=False).id
    network = cloud.network.find_network("lab", ignore_missing=False).id

    def one(number: int) -> None:
        made = cloud.compute.create_server(
            name=f"bare-{number}", image_id=image, flavor_id=flavor, networks=[{"uuid": network}], key_name="lab"
        )
        way.bare(paths, cloud, made)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(one, range(way.count)))
    took = time.perf_counter() - began
    there = connection(paths.clouds_yaml, "ca-demo").compute
    for server in there.servers():
        there.delete_server(server)
    _until(lambda: not list(there.servers()))
    return took


def _ours(ctx: Context, way: Way) -> float:
    """Have a worker bring up as many nodes; return the seconds until the rows say that all are there."""
    with _worker(ctx):
        began = time.perf_counter()
        want(ctx, min_ready=way.count)
        with ctx.database.session() as session:
            defer(session, "pool")
        _until(lambda: way.ours(ctx) == way.count)
        took = time.perf_counter() - began
    note_calls(ctx)
    return took


@contextmanager
def _worker(ctx: Context) -> Iterator[None]:
    stoppers: list[Stopper] = []
    running = {"concurrency": THREADS, "stop": stoppers.append}
    worker = threading.Thread(target=run_worker, args=(ctx, _STEPS), kwargs=running, daemon=True)
    worker.start()
    _until(lambda: bool(stoppers))
    try:
        yield
    finally:
        stoppers[-1]()
        worker.join(60)


def _swept(ctx: Context) -> float:
    """Return the seconds of a look for leftovers while the servers are there."""
    provider = ctx.providers["ca"]
    with ctx.database.session() as session:
        session.get_one(ProviderRow, "ca").swept_at = None
        assert session.scalar(select(func.count()).where(NodeRow.state.in_(LIVE_STATES)))
    began = time.perf_counter()
    sweep(ctx, provider)
    return time.perf_counter() - began


def _asked(ctx: Context) -> tuple[int, int]:
    """Return how many requests were made up to now, and how many of them listed servers."""
    with ctx.database.session() as session:
        found = list(session.scalars(select(ApiCallRow)))
    return sum(row.count for row in found), sum(row.count for row in found if row.call == "list")


def _until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 600
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.1)
