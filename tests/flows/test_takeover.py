"""Of two listeners one listens; when its process is killed the other takes over.

How long that takes is not measured here, as a busy machine would decide it. It follows from the settings: PostgreSQL
ends the dead process's connection, and its advisory lock with it, as soon as the kernel closes the socket; the other
looks every `TURN` (2 s) and connects (20 s at most, some tenths of a second where Gerrit is well): well below the 10 s
that are allowed. Where the whole machine dies, no socket is closed: the keepalives of `store/database.py` end the
connection after 3 + 3 * 1 = 6 s, so the other listens after some 9 s.
"""

import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.flows.world import World
from xenci.services.listener import TURN

pytestmark = pytest.mark.own_database

ROOT = Path(__file__).parents[2]
_PATIENCE_S = 300
LISTENER = """
import sys, threading
from pathlib import Path
from datetime import timedelta
from tests.flows.world import World
from xenci.services import listener
from xenci.store.database import Database

listener.TURN = timedelta(seconds=0.3)

class Stop(threading.Event):
    def wait(self, timeout=None):
        print("waits", flush=True)
        return super().wait(timeout)

world = World(Database(sys.argv[1]), Path(sys.argv[2]))

def open_stream():
    print("hears", flush=True)
    return world.gerrit.stream()

listener.listen(world.ctx, open_stream, Stop())
"""


class Listener:
    """A listener in a process of its own, and what it says."""

    def __init__(self, world: World) -> None:
        command = [sys.executable, "-c", LISTENER, world.database.url, str(world.folder)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        self.said: queue.Queue[str] = queue.Queue()
        self.all: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.strip() in ("waits", "hears"):
                self.all.append(line.strip())
                self.said.put(line.strip())

    def until(self, word: str) -> None:
        """Return when it says this; queue.Empty if it does not for very long."""
        while self.said.get(timeout=_PATIENCE_S) != word:
            continue

    def kill(self) -> None:
        # -9: it can clean up nothing
        self.process.kill()
        self.process.wait(_PATIENCE_S)


@pytest.fixture
def listeners(world: World) -> Iterator[list[Listener]]:
    """Two listeners on one database; the first listens, the second has found that it is not its turn."""
    first = Listener(world)
    started = [first]
    try:
        first.until("hears")
        started.append(Listener(world))
        started[1].until("waits")
        yield started
    finally:
        for one in started:
            one.kill()


def locks(world: World) -> int:
    """Count the advisory locks that are held in this database."""
    ours = "database = (select oid from pg_database where datname = current_database())"
    with world.database.session() as session:
        held = session.execute(
            text(f"select count(*) from pg_locks where locktype = 'advisory' and granted and {ours}")
        )
        return int(held.scalar_one())


def test_a_killed_listener_is_followed_by_the_other_which_has_everything_looked_through(
    world: World, listeners: list[Listener]
) -> None:
    first, second = listeners
    assert locks(world) == 1
    second.until("waits")
    assert "hears" not in second.all, "one listens"
    with world.database.session() as session:
        session.execute(text("delete from procrastinate_jobs"))
    first.kill()
    second.until("hears")
    assert locks(world) == 1
    patience = threading.Event()
    for _ in range(_PATIENCE_S * 10):
        if world.nudges("missed") == [0]:
            break
        patience.wait(0.1)
    assert world.nudges("missed") == [0]


def test_two_looks_fit_into_the_time_that_is_allowed() -> None:
    assert TURN.total_seconds() * 2 < 10
