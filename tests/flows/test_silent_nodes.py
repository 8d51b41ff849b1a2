"""Silent nodes keep every slot of a worker: deadlines pass all the same, and each node is lost in its time."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from tests.flows.node import read, scripted
from tests.flows.world import World
from xenci.host.port import HostLost
from xenci.services import life
from xenci.services.advance import LOST_AFTER, advance
from xenci.services.consider import consider
from xenci.services.context import Context
from xenci.services.engine import Stopper, defer, run_worker
from xenci.services.prepare import prepare
from xenci.services.steps import STEPS
from xenci.store.marks import LIFE
from xenci.store.tables import HeartRow, NodeRow

pytestmark = pytest.mark.own_database
SLOTS = 8


def wait_for(what: str, look: Callable[[], bool]) -> None:
    limit = time.monotonic() + 60
    while not look():
        assert time.monotonic() < limit, what
        time.sleep(0.05)


def lives(world: World) -> bool:
    """Tell whether a sign of life was given at this very moment of the world's clock."""
    with world.database.session() as session:
        heart = session.get(HeartRow, LIFE)
        return heart is not None and heart.beat_at == world.now


@pytest.fixture
def starved(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A worker each of whose slots waits for a node that does not answer."""
    monkeypatch.setattr(life, "EVERY", timedelta(milliseconds=50))
    entered, answer = threading.Semaphore(0), threading.Event()

    def wait(_ctx: Context, _row: int) -> None:
        entered.release()
        answer.wait()

    with world.database.session() as session:
        for row in range(1000, 1000 + SLOTS):
            defer(session, "advance", row)
    stoppers: list[Stopper] = []
    steps = STEPS | {"advance": wait}
    worker = threading.Thread(
        target=lambda: run_worker(world.ctx, steps, concurrency=SLOTS, stop=stoppers.append), daemon=True
    )
    worker.start()
    try:
        assert all(entered.acquire(timeout=60) for _ in range(SLOTS)), "every slot is taken"
        yield world
    finally:
        answer.set()
        for stop in stoppers:
            stop()
        worker.join(60)


def test_a_node_is_lost_although_others_keep_every_slot(starved: World) -> None:
    build, node = scripted(starved)
    node.silent = HostLost("no route to host")
    step = LOST_AFTER / 6
    for _ in range(6):
        advance(starved.ctx, build)
        assert read(starved, build).state == "running"
        starved.now += step
        wait_for("a sign of life", lambda: lives(starved))
    starved.now += timedelta(seconds=1)
    advance(starved.ctx, build)
    row = read(starved, build)
    assert (row.result, row.fault) == ("NODE_FAILURE", "infra")


def test_a_waiting_build_gets_a_ready_node_although_others_keep_every_slot(starved: World) -> None:
    consider(starved.ctx, starved.gerrit.push().change)
    prepare(starved.ctx, starved.buildsets()[-1].id)
    build = starved.buildsets()[-1].builds[-1].id
    with starved.database.session() as session:
        facts = {"name": "test-node-000001", "label": "xen", "provider": "ca", "state": "ready"}
        session.add(NodeRow(**facts, created_at=starved.now, state_at=starved.now, ready_at=starved.now))
        defer(session, "dispatch")
    wait_for("a node", lambda: read(starved, build).node_id == 1)
