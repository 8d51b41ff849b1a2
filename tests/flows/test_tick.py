"""The tick: where nothing is under way it looks at everything only now and then."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from tests.contracts.fake_gerrit import event
from tests.flows.world import World
from xenci.services.consider import consider
from xenci.services.context import Context
from xenci.services.listener import keep
from xenci.services.prepare import prepare
from xenci.services.tick import clock, tick
from xenci.services.withdraw import withdraw
from xenci.store.marks import LIFE, back_at, beat, raise_alarm
from xenci.store.tables import BuildsetRow, NodeRow


def looks(world: World) -> bool:
    """Let a worker's clock turn once; tell whether it had everything looked at: with each look the pool is nudged."""
    with world.database.session() as session:
        session.execute(text("delete from procrastinate_jobs"))
    clock(world.ctx)
    if world.nudges("tick"):
        tick(world.ctx)
    world.later(seconds=3)
    return world.nudges("pool") == [0]


def test_where_nothing_is_under_way_every_ninth_turn_has_a_look_taken(world: World) -> None:
    seen = [looks(world) for _ in range(20)]
    assert [turn for turn, is_look in enumerate(seen) if is_look] == [0, 9, 18]


def test_a_clock_that_was_set_back_does_not_keep_it_from_looking(world: World) -> None:
    assert looks(world)
    world.later(hours=-1)
    assert looks(world)


def test_whatever_is_under_way_is_looked_at_with_each_tick(world: World) -> None:
    change = world.gerrit.push().change
    assert (looks(world), looks(world)) == (True, False)
    line = json.dumps(event("patchset-created", world.gerrit.changes[change].patchsets[-1], at=world.now)).encode()
    keep(world.ctx, line, world.now)
    assert looks(world), "an event without an answer"
    consider(world.ctx, change)
    assert looks(world), "a buildset that is not prepared"
    prepare(world.ctx, world.buildsets()[0].id)
    assert looks(world), "a build that waits"
    withdrawn(world)
    assert not looks(world)


def test_a_slow_tick_does_not_take_back_the_sign_of_life_that_was_given_beside_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = world.now
    with world.database.session() as session:
        beat(session, LIFE, at=at - timedelta(minutes=10))
        beat(session, LIFE, at=at)
        before = back_at(session, at=at)

    def slowly(_ctx: Context) -> None:
        world.later(minutes=1)
        with world.database.session() as session:
            beat(session, LIFE, at=world.now)

    monkeypatch.setattr("xenci.services.tick.repair", slowly)
    tick(world.ctx)
    world.later(seconds=3)
    with world.database.session() as session:
        beat(session, LIFE, at=world.now)
        assert back_at(session, at=world.now) == before, "nobody was away"


def test_two_workers_clocks_have_one_look_taken(world: World) -> None:
    with world.database.session() as session:
        session.add(NodeRow(name="n", label="xen", provider="ca", state="building"))
    assert looks(world)
    clock(world.ctx)
    clock(world.ctx)
    assert world.nudges("tick") == [0], "one waits for both"
    tick(world.ctx)
    with world.database.session() as session:
        session.execute(text("delete from procrastinate_jobs"))
    clock(world.ctx)
    assert world.nudges("tick") == [], "it was just taken"


def test_a_look_that_died_with_its_worker_is_asked_for_anew(world: World) -> None:
    clock(world.ctx)
    dead = "insert into procrastinate_workers (last_heartbeat) values (now() - interval '1 minute') returning id"
    with world.database.session() as session:
        worker = session.execute(text(dead)).scalar()
        taken = text("update procrastinate_jobs set status = 'doing', worker_id = :w where task_name = 'tick'")
        assert session.execute(taken, {"w": worker}).rowcount == 1
    clock(world.ctx)
    with world.database.session() as session:
        found = session.execute(text("select status from procrastinate_jobs where task_name = 'tick'")).scalars()
        assert list(found) == ["todo"]


@pytest.mark.parametrize("state", ["building", "testing", "used", "deleting"])
def test_a_node_on_its_way_is_looked_at_with_each_tick(world: World, state: str) -> None:
    assert (looks(world), looks(world)) == (True, False)
    with world.database.session() as session:
        session.add(NodeRow(name="n", label="xen", provider="ca", state=state))
    assert looks(world)


def test_an_alarm_that_was_told_to_nobody_is_looked_at_with_each_tick(world: World) -> None:
    assert (looks(world), looks(world)) == (True, False)
    with world.database.session() as session:
        raise_alarm(session, "any", brief="b", at=world.now)
    assert looks(world)


def withdrawn(world: World) -> None:
    with world.database.session() as session:
        withdraw(world.ctx, session, session.scalars(select(BuildsetRow)).one(), "test")
