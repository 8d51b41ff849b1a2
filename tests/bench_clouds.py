"""What the pool adds to a cloud's own time: 25 servers to ACTIVE by xenci and by bare openstacksdk, in the same run.

The cloud is real, its compute driver is Nova's fake one. xenci is its real worker with all of the pool's steps; bare
are as many threads as the worker has slots, each of which creates a server and waits for it in the SDK's own way.
"""

import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import func, select

from tests.lab.pooling import active, connection, counting_context, give_up_all, pool_settings, want
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

SERVERS = 25
ROUNDS = 2
#: the worker's slots, and the bare threads
THREADS = 8
PORT = 17500
#: what a worker needs for nodes; there is no Gerrit for the others
_STEPS: dict[str, Step] = {
    name: step if name in ("tick_all", "pool", "node", "dispatch") else lambda _ctx, _row: None
    for name, step in STEPS.items()
}


def measure(folder: Path) -> None:
    """Bring up a cloud, measure, print a table, and end the cloud."""
    paths = LabPaths(state=folder / "c", cache=cache_dir(), port=PORT)
    cluster = Cluster(folder / "pool-db")
    cluster.start()
    try:
        clouds.start(paths, only=("ca",), driver="fake", quota=30)
        os.environ["OS_CLIENT_CONFIG_FILE"] = str(paths.clouds_yaml)
        cluster.ensure_database("bench")
        database = Database(cluster.url("bench"))
        schema.upgrade(database)
        _show(_context(paths, database, folder), paths)
        database.dispose()
    finally:
        clouds.stop(paths)
        cluster.stop()


def _show(ctx: Context, paths: LabPaths) -> None:
    bare: list[float] = []
    ours: list[float] = []
    bare_calls = our_calls = lists = 0
    for _ in range(ROUNDS):
        counted = Calls()
        bare.append(_bare(ctx, paths, counted))
        bare_calls += sum(counted.take().values())
        before, lists_before = _asked(ctx)
        ours.append(_ours(ctx))
        after, lists_after = _asked(ctx)
        our_calls += after - before
        lists += lists_after - lists_before
        swept = _swept(ctx)
        give_up_all(ctx)
    table = Table(box=None, title=f"{SERVERS} servers of a real cloud with Nova's fake driver", title_justify="left")
    for column in ("what", "xenci", "bare SDK calls", "ratio"):
        table.add_column(column)
    a, b = statistics.median(ours), statistics.median(bare)
    table.add_row("from asked for to ACTIVE", f"{a:.1f} s", f"{b:.1f} s", f"{a / b:.2f}")
    table.add_row("API calls until then", f"{our_calls / ROUNDS:.0f}", f"{bare_calls / ROUNDS:.0f}", "")
    table.add_row("of these, lists of servers", f"{lists / ROUNDS:.1f}, one in {sum(ours) / lists:.1f} s", "", "")
    table.add_row("a sweep of leftovers beside them", f"{swept:.2f} s", "", "")
    Console().print(table)


def _context(paths: LabPaths, database: Database, folder: Path) -> Context:
    settings = pool_settings(paths, folder, system="bench", max_servers=SERVERS, max_nodes=SERVERS)
    return counting_context(settings.model_copy(update={"providers": settings.providers[:1]}), database)


def _bare(ctx: Context, paths: LabPaths, counted: Calls) -> float:
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
        cloud.compute.wait_for_server(made, wait=600)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(one, range(SERVERS)))
    took = time.perf_counter() - began
    there = connection(paths.clouds_yaml, "ca-demo").compute
    for server in there.servers():
        there.delete_server(server)
    _until(lambda: not list(there.servers()))
    return took


def _ours(ctx: Context) -> float:
    """Have a worker bring up as many nodes; return the seconds until the rows say that all are ACTIVE."""
    with _worker(ctx):
        began = time.perf_counter()
        want(ctx, min_ready=SERVERS)
        with ctx.database.session() as session:
            defer(session, "pool")
        _until(lambda: active(ctx).total() == SERVERS)
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
        assert session.scalar(select(func.count()).where(NodeRow.state.in_(LIVE_STATES))) == SERVERS
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
