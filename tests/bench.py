"""`make bench`: what xenci itself costs, each beside the least that the same work can cost, measured in one run.

Ratios, as machines differ and are noisy. The least is what a program without xenci around it would do: parse JSON,
insert a row, run git am, read the stream with subunit's own reader.
"""

import io
import json
import logging
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog
from rich.console import Console
from rich.table import Table
from sqlalchemy import text
from subunit import ByteStreamToStreamResult

from tests import bench_clouds, bench_sweep, bench_votes
from tests.flows.world import World
from xenci.gerrit.parse import parse_event
from xenci.gerrit.trees import Mirrors, Prepared
from xenci.lab import images
from xenci.lab.paths import LabPaths
from xenci.lab.settings import CONFIGS
from xenci.services.engine import defer
from xenci.services.listener import keep
from xenci.simulate.engine import simulate
from xenci.simulate.installation import Scenario, assumed
from xenci.simulate.stream import read
from xenci.simulate.traffic import Assumptions, generate
from xenci.store import schema
from xenci.store.database import Database
from xenci.store.embedded import Cluster
from xenci.tempest.follower import Follower

DATA = Path(__file__).parent / "data"
ROUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One figure: ours and the least, seconds for the same work."""

    what: str
    unit: str
    count: int
    ours: float
    least: float
    least_is: str


def main() -> None:
    """Measure everything and print a table."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    table = Table(box=None)
    for column in ("what", "xenci", "the least", "ratio", "the least is"):
        table.add_column(column, justify="right" if column in ("xenci", "the least", "ratio") else "left")
    with tempfile.TemporaryDirectory(prefix="xenci-bench-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        for measured in (events(), streams(), week(), *rows(Path(folder)), sweeps(Path(folder)), trees(Path(folder))):
            table.add_row(
                measured.what,
                _rate(measured, measured.ours),
                _rate(measured, measured.least),
                f"{measured.ours / measured.least:.1f}",
                measured.least_is,
            )
        Console().print(table)
        bench_votes.measure(Path(folder))
        bench_clouds.measure(Path(folder))


def events() -> Measured:
    """Lines of the event stream, understood."""
    lines = (DATA / "gerrit" / "lab-gerrit-3.9.4-stream.jsonl").read_bytes().splitlines() * 20
    return Measured(
        what="events parsed",
        unit="event",
        count=len(lines),
        ours=_median(lambda: [parse_event(line) for line in lines]),
        least=_median(lambda: [json.loads(line) for line in lines]),
        least_is="json.loads",
    )


def streams() -> Measured:
    """A subunit stream, followed in pieces as it grows."""
    stream = (DATA / "subunit" / "run1-with-failures.subunit").read_bytes()
    pieces = [stream[i : i + 4096] for i in range(0, len(stream), 4096)]

    def follow() -> None:
        follower = Follower()
        for piece in pieces:
            follower.feed(piece)

    class Reader:
        def startTestRun(self) -> None: ...

        def stopTestRun(self) -> None: ...

        def status(self, **_: object) -> None: ...

    return Measured(
        what="subunit stream followed in pieces of 4 KB",
        unit="stream",
        count=1,
        ours=_median(follow),
        least=_median(lambda: ByteStreamToStreamResult(io.BytesIO(stream)).run(Reader())),
        least_is="subunit's reader, the whole file at once",
    )


def week() -> Measured:
    """A synthetic week of Nova with 25 nodes, by the real rules on a virtual clock."""
    lines = list(generate(Assumptions(seed=1)))
    traffic, there = read(lines), assumed()
    return Measured(
        what="weeks simulated with 25 nodes",
        unit="week",
        count=1,
        ours=_median(lambda: simulate(traffic.events, there, Scenario(nodes=25))),
        least=_median(lambda: [json.loads(line) for line in lines]),
        least_is=f"json.loads of its {len(lines)} events",
    )


def rows(folder: Path) -> Iterator[Measured]:
    """What ends in PostgreSQL, a transaction each: nudges, and events as the listener keeps them."""
    cluster = Cluster(folder / "db")
    cluster.start()
    try:
        cluster.ensure_database("bench")
        database = Database(cluster.url("bench"))
        schema.upgrade(database)
        count = 200
        with database.engine.begin() as connection:
            connection.execute(text("create table least (id int)"))
        world = World(database, folder)
        lines = (DATA / "gerrit" / "lab-gerrit-3.9.4-stream.jsonl").read_bytes().splitlines() * 20

        def nudge() -> None:
            for i in range(count):
                with database.session() as session:
                    defer(session, "consider", i)
            with database.engine.begin() as connection:
                connection.execute(text("delete from procrastinate_jobs"))

        def hear() -> None:
            for line in lines[:count]:
                keep(world.ctx, line, world.now)

        def least() -> None:
            for i in range(count):
                with database.engine.begin() as connection:
                    connection.execute(text("insert into least values (:i)"), {"i": i})

        bare = _median(least)
        for what, unit, ours in (
            ("nudges deferred", "nudge", nudge),
            ("events heard, kept and passed on", "event", hear),
        ):
            yield Measured(
                what=f"{what}, a transaction each",
                unit=unit,
                count=count,
                ours=_median(ours),
                least=bare,
                least_is="one row inserted, a transaction each",
            )
        database.dispose()
    finally:
        cluster.stop()


def sweeps(folder: Path) -> Measured:
    """A survey and a sweep of a cloud in memory with 500 servers and a port of each, every one with its row."""
    cluster = Cluster(folder / "sweep-db")
    cluster.start()
    try:
        cluster.ensure_database("bench")
        database = Database(cluster.url("bench"))
        schema.upgrade(database)
        return Measured(
            what="500 servers and their ports surveyed and swept",
            unit="sweep",
            count=1,
            ours=_median(bench_sweep.prepared(database, folder)),
            least=_median(lambda: bench_sweep.read(database)),
            least_is="their rows read and locked once",
        )
    finally:
        cluster.stop()


def trees(folder: Path) -> Measured:
    """A change's tree made: fetched, merged, the carry applied on it and on the tip."""
    source = images.repository(LabPaths.of_environment(), images.NOVA)
    series = sorted((CONFIGS / "carry" / "nova-2025.1").glob("000[1-4]*.patch"))
    work = folder / "work"
    _git(folder, "clone", "-q", str(source), str(work))
    _git(work, "config", "user.name", "bench")
    _git(work, "config", "user.email", "bench@localhost")
    (work / "README.rst").write_text("changed\n")
    _git(work, "commit", "-qam", "A change")
    sha = _git(work, "rev-parse", "HEAD")
    _git(work, "push", "-q", str(work), "HEAD:refs/changes/01/1/1")
    _git(work, "reset", "-q", "--hard", "HEAD^")
    mirrors = Mirrors(folder / "mirrors")
    names = iter(range(1000))

    def ours() -> None:
        made = mirrors.prepare(
            "openstack/nova",
            str(work),
            branch="stable/2025.1",
            ref="refs/changes/01/1/1",
            sha=sha,
            carry_series=series,
            name=f"bench-{next(names)}",
            at=datetime.now(UTC),
        )
        assert isinstance(made, Prepared), made

    def least() -> None:
        _git(work, "am", "-q", "-3", *map(str, series))
        _git(work, "reset", "-q", "--hard", "HEAD~4")

    ours()
    return Measured(
        what="trees made (fetch, merge, carry on change and tip)",
        unit="change",
        count=1,
        ours=_median(ours),
        least=_median(least),
        least_is="git am of the series once, in a full work tree",
    )


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _median(work: Callable[[], object]) -> float:
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def _rate(measured: Measured, seconds: float) -> str:
    each = seconds / measured.count
    return f"{1 / each:,.0f} {measured.unit}s/s" if each < 0.05 else f"{each:.2f} s each"


if __name__ == "__main__":
    main()
