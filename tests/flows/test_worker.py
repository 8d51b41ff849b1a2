"""A worker outlives its database: PostgreSQL may be restarted under it."""

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from tests.flows.world import World
from xenci.clock import now
from xenci.services import engine
from xenci.services.engine import Stopper, nudge, run_worker
from xenci.services.steps import STEPS
from xenci.store import schema
from xenci.store.database import Database
from xenci.store.embedded import Cluster
from xenci.store.tables import HeartRow

pytestmark = pytest.mark.own_database


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL of this test's own, which it may stop."""
    folder = Path(tempfile.mkdtemp(prefix="xenci-test-", dir="/var/tmp"))
    one = Cluster(folder / "db", durable=False)
    folder.chmod(0o755)
    one.start()
    one.ensure_database("xenci")
    yield one
    one.stop()
    shutil.rmtree(folder)


def beat_after(database: Database, moment: datetime) -> bool:
    """Tell whether the worker has given a sign of life since then."""
    try:
        with database.session() as session:
            row = session.get(HeartRow, "worker")
            return row is not None and row.beat_at > moment
    except OperationalError:
        return False


def nudged(database: Database) -> bool:
    """Give a nudge for a turn; tell whether the database took it."""
    try:
        with database.session() as session:
            nudge(session, "tick")
    except OperationalError:
        return False
    return True


def wait_for(what: str, look: Callable[[], bool]) -> None:
    limit = time.monotonic() + 120
    while not look():
        assert time.monotonic() < limit, what
        time.sleep(0.2)


def test_a_restart_of_postgresql_interrupts_a_worker_and_does_not_end_it(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_AGAIN", 0.2)
    database = Database(cluster.url("xenci"))
    schema.upgrade(database)
    world = World(database=database, folder=tmp_path)
    world.ctx.clock = now
    stoppers: list[Stopper] = []
    worker = threading.Thread(target=lambda: run_worker(world.ctx, STEPS, stop=stoppers.append), daemon=True)
    worker.start()
    began = now()
    wait_for("a first turn", lambda: beat_after(database, began))

    cluster.stop()
    cluster.start()

    restarted = now()
    # an idle worker's clock asks for a turn twice a minute; one is given here
    wait_for("a nudge after the restart", lambda: nudged(database))
    wait_for("a turn after the restart", lambda: beat_after(database, restarted))
    assert worker.is_alive()
    stoppers[-1]()
    worker.join(60)
    assert not worker.is_alive()
    database.dispose()
