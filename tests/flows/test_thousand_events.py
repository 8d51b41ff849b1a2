"""A thousand events of a recorded stream, mutated, through the listener: no crash, and no good neighbour is lost.

The listener, its cutting of packets into lines and the database are the real ones; only the connection is handed in.
"""

import itertools
import json
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from tests.contracts.fake_gerrit import event
from tests.flows.world import World
from xenci.gerrit.lines import Lines
from xenci.services.consider import consider
from xenci.services.listener import listen
from xenci.store.tables import EventRow

pytestmark = pytest.mark.own_database

RECORDED = (Path(__file__).parents[1] / "data/gerrit/lab-gerrit-3.9.4-stream.jsonl").read_bytes().splitlines()
_NUMBERS = itertools.count(5_000_000)
#: what no field should be, as it stands in a line
ODD = (b"null", b"[]", b"{}", b"-1", b"1e999", b"1" * 5000, b'""', b'"\\u0000"', b'"\\ud800"', b"[" * 60 + b"]" * 60)


class Packets:
    """A connection on which these packets come; then the test is at its end."""

    def __init__(self, packets: list[bytes], stop: threading.Event) -> None:
        self.packets, self.stop = packets, stop

    def lines(self) -> Iterator[bytes | None]:
        lines = Lines()
        yield None
        for packet in self.packets:
            yield from lines.feed(packet)
        if rest := lines.rest():
            yield rest
        self.stop.set()
        yield None

    def close(self) -> None:
        self.stop.set()


def flipped(line: bytes, dice: random.Random) -> bytes:
    octets = bytearray(line)
    for _ in range(dice.randint(1, 6)):
        octets[dice.randrange(len(octets))] = dice.randrange(256)
    return bytes(octets)


def cut(line: bytes, dice: random.Random) -> bytes:
    return line[: dice.randrange(len(line))] if dice.random() < 0.5 else line[dice.randrange(len(line)) :]


def torn(line: bytes, dice: random.Random) -> bytes:
    place = dice.randrange(len(line))
    return line[:place] + dice.choice([b"\n", b"\r\n", b"\n\n", b"\x00", b"\xff\xfe", b"\xe2\x80\xa8"]) + line[place:]


def without_field(line: bytes, dice: random.Random) -> bytes:
    return _field(line, dice, lambda holder, key: holder.pop(key))


def odd_field(line: bytes, dice: random.Random) -> bytes:
    def put(holder: dict[str, Any], key: str) -> None:
        holder[key] = "ODD"

    return _field(line, dice, put).replace(b'"ODD"', dice.choice(ODD))


def unknown_type(line: bytes, dice: random.Random) -> bytes:
    return line.replace(b'"type":"', b'"type":"x-')


def joined(line: bytes, dice: random.Random) -> bytes:
    return line + dice.choice([b"", b" ", b","]) + dice.choice(RECORDED)


def _field(line: bytes, dice: random.Random, change: Callable[[dict[str, Any], str], Any]) -> bytes:
    raw = json.loads(line)
    holder, key = raw, dice.choice(sorted(raw))
    while isinstance(holder[key], dict) and holder[key] and dice.random() < 0.7:
        holder = holder[key]
        key = dice.choice(sorted(holder))
    change(holder, key)
    return json.dumps(raw, separators=(",", ":")).encode()


MUTATIONS = (flipped, cut, torn, without_field, odd_field, unknown_type, joined, lambda line, dice: line)


def neighbour(world: World) -> tuple[int, bytes]:
    """Return a good event, about a change of its own."""
    number = next(_NUMBERS)
    patchset = world.gerrit.push(number=None)
    del world.gerrit.changes[patchset.change]
    raw = event("patchset-created", patchset, at=world.now)
    raw["change"]["number"], raw["patchSet"]["ref"] = number, f"refs/changes/{number % 100:02d}/{number}/1"
    return number, json.dumps(raw).encode()


def hear(world: World, stream: bytes, cuts: list[int]) -> int:
    """Let the listener hear a stream that arrives in pieces; return how often it had to connect."""
    places = sorted({0, len(stream), *(place % (len(stream) + 1) for place in cuts)})
    packets = [stream[a:b] for a, b in itertools.pairwise(places)]
    stop, connections = threading.Event(), []

    def connect() -> Packets:
        connections.append(1)
        return Packets(packets, stop)

    listen(world.ctx, connect, stop)
    return len(connections)


def heard(world: World, numbers: set[int]) -> list[int]:
    with world.database.session() as session:
        return sorted(session.scalars(select(EventRow.change).where(EventRow.change.in_(numbers))))  # type: ignore[type-var]


@pytest.fixture
def with_changes(world: World) -> World:
    """A Gerrit that has the recorded changes, so that what is heard of them is decided on as well."""
    told = {json.loads(line).get("change", {}).get("number") for line in RECORDED}
    for number in sorted(one for one in told if one):
        patchset = world.gerrit.push()
        fake = world.gerrit.changes.pop(patchset.change)
        world.gerrit.changes[number] = fake
        fake.patchsets = [replace(patchset, change=number, ref=f"refs/changes/{number % 100:02d}/{number}/1")]
    return world


@settings(
    # a thousand events; in the quick profile a quarter
    max_examples=settings().max_examples * 2 // 5,
    # a failing example is as short as any other, and its seed is told
    phases=[Phase.explicit, Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example(seed=0, cuts=[])
@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(0, 10**6), max_size=60))
def test_whatever_becomes_of_an_event_its_neighbours_are_heard_once(
    with_changes: World, seed: int, cuts: list[int]
) -> None:
    world, dice = with_changes, random.Random(seed)
    lines, numbers = [], []
    for _ in range(25):
        lines.append(dice.choice(MUTATIONS)(dice.choice(RECORDED), dice))
        number, line = neighbour(world)
        numbers.append(number)
        lines.append(line)
    assert hear(world, b"\n".join(lines) + b"\n", cuts) == 1, "the connection outlived every line"
    assert heard(world, set(numbers)) == numbers
    assert set(numbers) <= set(world.nudges("consider"))
    with world.database.session() as session:
        unanswered = set(session.scalars(select(EventRow.change).where(EventRow.outcome.is_(None))))
    for change in unanswered - set(numbers):
        if change is not None:
            consider(world.ctx, change)


def test_a_line_that_never_ends_costs_no_neighbour(world: World) -> None:
    (one, first), (two, second) = neighbour(world), neighbour(world)
    assert hear(world, b"\n".join([first, b'{"type":"' + b"x" * (5 * 1024 * 1024), second, b""]), [100]) == 1
    assert heard(world, {one, two}) == [one, two]


def test_a_split_at_any_octet_makes_no_difference(world: World) -> None:
    number, line = neighbour(world)
    numbers = []
    for place in range(0, len(line) + 2, 7):
        number, line = neighbour(world)
        numbers.append(number)
        assert hear(world, line + b"\n", [place]) == 1
    assert heard(world, set(numbers)) == numbers


def test_a_line_that_the_database_refuses_costs_no_neighbour_and_its_change_is_looked_for(world: World) -> None:
    (one, first), (two, second), (_, refused) = (neighbour(world) for _ in range(3))
    with world.database.session() as session:
        session.execute(text("alter table events alter column type type varchar(16)"))
    refused = refused.replace(b"patchset-created", b"private-state-changed")
    assert hear(world, b"\n".join([first, refused, second, b""]), []) == 1
    assert heard(world, {one, two}) == [one, two]
    assert world.nudges("reconcile") == [0]
