"""Two workers that take up the same row at the same moment: one of them does it."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.flows.node import read, scripted
from tests.flows.test_report import GOOD, finish
from tests.flows.world import World
from xenci.services.advance import advance, course
from xenci.services.report import report

pytestmark = pytest.mark.own_database

#: longer than any of this takes, so that a fault ends a test and does not hang it
LIMIT = 60


class Door:
    """Lets the first who comes wait inside, until the second of two callers has gone home."""

    def __init__(self) -> None:
        self.entered = 0
        self._gone = threading.Event()
        self._count = threading.Lock()

    def pass_through(self) -> None:
        with self._count:
            self.entered += 1
            is_first = self.entered == 1
        if is_first:
            assert self._gone.wait(LIMIT)

    def both(self, call: Callable[[], object]) -> None:
        """Call twice at the same moment."""
        start = threading.Barrier(2)

        def one() -> None:
            start.wait(LIMIT)
            try:
                call()
            finally:
                self._gone.set()

        threads = [threading.Thread(target=one, daemon=True) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT)
            assert not thread.is_alive()


def test_a_report_is_posted_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _, row = finish(world, GOOD)
    door, ask = Door(), world.gerrit.change

    def change(number: int, **more: Any) -> Any:
        view = ask(number, **more)
        door.pass_through()
        return view

    monkeypatch.setattr(world.gerrit, "change", change)
    door.both(lambda: report(world.ctx, row.id))
    assert door.entered == 1
    assert [vote for _, _, vote, _ in world.gerrit.reviews] == [1]
    assert world.reports()[0].attempts == 1


def test_a_step_of_a_build_is_taken_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    build, node = scripted(world)
    # its start of Nova runs on
    del node.ends["nova-first"]
    door, push = Door(), course.STEPS["tree"]

    def step(*given: Any) -> Any:
        door.pass_through()
        return push(*given)

    monkeypatch.setitem(course.STEPS, "tree", step)
    door.both(lambda: advance(world.ctx, build))
    assert door.entered == 1
    assert read(world, build).step == "nova"
