"""The tick: where nothing is under way it looks at everything only now and then."""

import json

import pytest
from sqlalchemy import select, text

from tests.contracts.fake_gerrit import event
from tests.flows.world import World
from xenci.services.consider import consider
from xenci.services.listener import keep
from xenci.services.prepare import prepare
from xenci.services.tick import tick
from xenci.services.withdraw import withdraw
from xenci.store.marks import raise_alarm
from xenci.store.tables import BuildsetRow, NodeRow


def looks(world: World) -> bool:
    """Run a tick; tell whether it took a whole look: with each, the pool is nudged."""
    with world.database.session() as session:
        session.execute(text("delete from procrastinate_jobs"))
    tick(world.ctx)
    return world.nudges("pool") == [0]


def test_where_nothing_is_under_way_every_fourth_tick_is_a_whole_look(world: World) -> None:
    seen = []
    for _ in range(8):
        seen.append(looks(world))
        world.later(seconds=3)
    assert seen == [True, False, False, False, True, False, False, False]


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
