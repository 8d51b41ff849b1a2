"""A PostgreSQL for the tests that need one: a cluster of its own for the run, a fresh database for each test."""

import functools
import gc
import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings
from sqlalchemy import text
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from xenci.store import schema
from xenci.store.database import Database
from xenci.store.embedded import Cluster

_NUMBERS = itertools.count(1)
_OTHERS = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
_LOG = structlog.get_config()["processors"][:-1]
# the default draws each traceback with all of its variables, which takes longer than most tests
_LOG.append(structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback))
structlog.configure(_LOG)
# without a clock: a busy machine makes no test fail
settings.register_profile("xenci", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
# `make test-fast` tries fewer examples of each property than `make test`
settings.register_profile("quick", settings.get_profile("xenci"), max_examples=15, database=None)
settings.load_profile("xenci")
if "XENCI_TEST_PINNED" in os.environ and (worker := os.environ.get("PYTEST_XDIST_WORKER")):
    # a worker and its PostgreSQL take turns: on one core that costs a quarter less than to wake each other on two
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})
# a repository of a test needs no samples of hooks: fifteen files each, to be made and removed
os.environ["GIT_TEMPLATE_DIR"] = ""


class Parts(LoadScopeScheduling):
    """Gives one worker the main job, and the other what needs no Xen host; who is done first gets the other Xen hosts.

    Emulated hosts that share cores are slower together than one after the other.
    """

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith("tests/lab/xen/"):
            return "the main job" if "/test_loop.py" in nodeid else "Xen hosts"
        return "others"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Parts | None:
    """Have `--dist loadscope` mean these parts."""
    return Parts(config, log) if config.getvalue("dist") == "loadscope" else None


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Print a failure when it happens: a long run that is cut off shows what failed until then."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        sys.stderr.write(f"\n{report.nodeid} {report.when}: failed\n{report.longreprtext}\n")


def pytest_collection_finish() -> None:
    """Have the collector of garbage pass by what stays for the whole run: to look at it took a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@pytest.fixture(autouse=True)
def plain_log() -> Iterator[None]:
    """Undo what a command of the test did to the log: it wrote to a stream that is closed by now."""
    yield
    structlog.reset_defaults()
    structlog.configure(_LOG)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster whose database `template` has our schema. Nothing of it waits for the disk."""
    # not below pytest's own folder, which nobody else may enter: PostgreSQL runs as nobody when we are root
    # in memory where there is room: to empty a database is to make and remove a hundred files
    memory = Path("/dev/shm")
    is_roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2 << 30
    parent = memory if is_roomy else Path("/var/tmp")
    _end_clusters_of_the_dead(parent)
    folder = Path(tempfile.mkdtemp(prefix=f"xenci-test-{os.getpid()}-", dir=parent))
    one = Cluster(folder, durable=False)
    try:
        one.start()
        one.ensure_database("template")
        database = Database(one.url("template"))
        schema.upgrade(database)
        database.dispose()
        yield one
    finally:
        one.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _end_clusters_of_the_dead(parent: Path) -> None:
    """End what workers left that were killed, and so did not end it: a PostgreSQL that would take memory for ever."""
    for left in parent.glob("xenci-test-[0-9]*-*"):
        if not Path("/proc", left.name.split("-")[2]).exists():
            Cluster(left).stop()
            shutil.rmtree(left, ignore_errors=True)


@pytest.fixture(scope="session")
def emptied(cluster: Cluster) -> Iterator[Database]:
    """The database that most tests have one after the other: to empty it takes a quarter of the time of a new one."""
    cluster.sql("postgres", "create database shared template template")
    one = Database(cluster.url("shared"))
    yield one
    one.dispose()


@pytest.fixture
def database(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[Database]:
    """A database with our schema and no rows; one of its own for tests that are marked so."""
    if request.node.get_closest_marker("own_database"):
        name = f"test{next(_NUMBERS)}"
        cluster.sql("postgres", f"create database {name} template template")
        one = Database(cluster.url(name))
        yield one
        # whoever is still at work there is ended; the database goes with its cluster
        one.engine.dispose()
        with one.session() as session:
            session.execute(text(f"select pg_terminate_backend(pid) {_OTHERS}"))
        one.dispose()
        return
    one = request.getfixturevalue("emptied")
    yield one
    _empty(one)


def _empty(database: Database) -> None:
    """Take every row away; `truncate` does ten times the work. Whoever is still at work there is ended first."""
    with database.session() as session:
        # all connections are kept for the next test if they are our own idle ones
        if session.scalar(text(f"select count(*) {_OTHERS}")) == database.engine.pool.checkedin():
            session.execute(text(_deletions(database)))
            return
    database.engine.dispose()
    with database.session() as session:
        session.execute(text(f"select pg_terminate_backend(pid) {_OTHERS}"))
        session.execute(text(_deletions(database)))


@functools.cache
def _deletions(database: Database) -> str:
    """Return the statements that take every row away and let the numbers begin anew."""
    with database.session() as session:
        tables = "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
        names = session.scalars(text(f"{tables} and relname <> 'alembic_version'")).all()
    begin = "setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)"
    # without foreign keys' and other triggers
    without = "set local session_replication_role = replica"
    numbers = f"select {begin} from pg_sequences where last_value is not null".replace(":", "\\:")
    return "; ".join([without, *(f"delete from {name}" for name in names), numbers])
