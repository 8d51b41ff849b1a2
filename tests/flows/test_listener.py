"""The listener lives on, whatever happens to it: one that ends is a CI that is deaf."""

import json
import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from tests.contracts.fake_gerrit import event
from tests.flows.world import World
from xenci.services import listener
from xenci.store.tables import EventRow

pytestmark = pytest.mark.own_database


class Impatient(threading.Event):
    """Waits for nothing, and counts how often it was to wait."""

    waits = 0

    def wait(self, timeout: float | None = None) -> bool:
        self.waits += 1
        return self.is_set()


class Lines:
    """A stream of some lines, after which the listener is to end."""

    def __init__(self, stop: threading.Event, lines: list[bytes]) -> None:
        self._stop, self._lines = stop, lines

    def lines(self) -> Iterator[bytes | None]:
        yield None
        yield from self._lines
        self._stop.set()
        yield None

    def close(self) -> None:
        pass


def heard(world: World) -> list[int | None]:
    with world.database.session() as session:
        return [row.change for row in session.scalars(select(EventRow).order_by(EventRow.id))]


def line(world: World) -> bytes:
    return json.dumps(event("patchset-created", world.gerrit.push(), at=world.now)).encode()


def test_an_error_that_nobody_knows_costs_one_turn(world: World) -> None:
    stop = Impatient()
    lines = [line(world)]
    faults = [RuntimeError("a fault"), KeyError("another"), RecursionError("and another")]

    def open_stream() -> Lines:
        if faults:
            raise faults.pop()
        return Lines(stop, lines)

    listener.listen(world.ctx, open_stream, stop)
    assert faults == []
    assert stop.waits == 3
    assert heard(world) == [1]


def test_a_line_that_cannot_be_kept_ends_the_connection_and_not_the_listener(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = Impatient()
    first, second = line(world), line(world)
    streams = [Lines(stop, [first]), Lines(stop, [second])]
    keep = listener.keep

    def once(ctx: object, text: bytes, *more: object) -> None:
        if text == first:
            raise ValueError("1e999 is no number for PostgreSQL")
        keep(world.ctx, text, world.now)

    monkeypatch.setattr(listener, "keep", once)
    listener.listen(world.ctx, lambda: streams.pop(0), stop)
    assert streams == []
    assert heard(world) == [2]
