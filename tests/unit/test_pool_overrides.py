"""An operator's words about the pool: they win, survive, are written down, and are taken back."""

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.unit.pool_world import MakeWorld, World, make
from xenci.errors import NotFound
from xenci.model.node import NodeState
from xenci.model.pool import Wish
from xenci.services.overrides import WrongFigure, drain, enable, min_ready, scale
from xenci.services.pool import claim
from xenci.services.pool_world import read_world
from xenci.store.overrides import read_overrides
from xenci.store.tables import ActionRow, NodeRow

__all__ = ["make"]
pytestmark = pytest.mark.own_database


def say(world: World, verb: object, *words: object) -> str:
    with world.ctx.database.session() as session:
        wish = Wish(who="ann", reason="why", at=world.at[0])
        return verb(session, world.ctx.settings, *words, wish)  # type: ignore[operator,no-any-return]


def where(world: World, *states: NodeState) -> Counter[str]:
    return Counter(row.provider for row in world.rows(*states))


def test_a_drained_cloud_is_emptied_but_for_its_builds_and_used_again_when_it_is_enabled(make: MakeWorld) -> None:
    world = make(min_ready=4)
    world.turn(3)
    with world.ctx.database.session() as session:
        busy = session.scalars(select(NodeRow).where(NodeRow.provider == "ca")).first()
        assert busy is not None
        busy.state, busy.build_id = NodeState.IN_USE, 7
    say(world, drain, "ca")
    world.turn(4)
    assert where(world, NodeState.READY) == {"cb": 4}
    assert where(world, NodeState.IN_USE) == {"ca": 1}
    assert {r.reason for r in world.rows(NodeState.DELETED)} == {"ca is drained by ann"}
    assert {row.failure for row in world.rows()} == {None}
    world.turn(3)
    assert where(world, NodeState.READY) == {"cb": 4}
    assert say(world, enable, "ca") == "ca is used again"
    say(world, min_ready, "small", 6)
    world.turn(3)
    assert where(world, NodeState.READY) == {"cb": 4, "ca": 2}
    with world.ctx.database.session() as session:
        said = [(row.who, row.what) for row in session.scalars(select(ActionRow).order_by(ActionRow.id))]
    assert said == [("ann", "pool drain ca"), ("ann", "pool enable ca"), ("ann", "pool min-ready small 6")]


def test_a_drain_ends_launches_under_way_without_a_failure(make: MakeWorld) -> None:
    world = make(min_ready=2)
    world.turn(1, settle=False)
    say(world, drain, "ca")
    world.turn(4)
    assert where(world, NodeState.READY) == {"cb": 2}
    assert world.ca.servers == {}
    assert {row.failure for row in world.rows()} == {None}


def test_figures_of_an_operator_win_until_they_are_taken_back(make: MakeWorld) -> None:
    world = make(min_ready=4)
    say(world, scale, "ca", 0)
    say(world, scale, "small", 3)
    world.turn(3)
    assert where(world, NodeState.READY) == {"cb": 3}
    with world.ctx.database.session() as session:
        assert {(kind, name): one.value for (kind, name), one in read_overrides(session).items()} == {
            ("max_nodes", "small"): 3,
            ("max_servers", "ca"): 0,
        }
    assert say(world, scale, "ca", None) == "ca is as configured again"
    assert say(world, scale, "ca", None) == "ca is as configured"
    say(world, scale, "small", None)
    world.turn(3)
    assert where(world, NodeState.READY) == {"cb": 3, "ca": 1}


def test_names_and_figures_that_cannot_be_are_refused(make: MakeWorld) -> None:
    world = make()
    with pytest.raises(NotFound, match="there are ca, cb"):
        say(world, drain, "cx")
    with pytest.raises(NotFound, match="no such label: ca"):
        say(world, min_ready, "ca", 1)
    with pytest.raises(WrongFigure):
        say(world, scale, "ca", -1)
    with world.ctx.database.session() as session:
        assert read_overrides(session) == {}


def test_of_ready_nodes_those_of_the_heavier_cloud_are_taken_more_often(make: MakeWorld) -> None:
    world = make(min_ready=8)
    world.turn(3)
    with world.ctx.database.session() as session:
        taken = [claim(session, "small", n, weights={"ca": 3.0, "cb": 1.0}) for n in range(4)]
    assert Counter(one.provider for one in taken if one) == {"ca": 3, "cb": 1}


def test_a_cloud_that_is_slow_but_alive_is_not_dead(make: MakeWorld) -> None:
    world = make(min_ready=2)
    world.turn(1)
    listed = world.at[0]
    timeout = world.ctx.settings.providers[0].api_timeout

    def open_after(silence: timedelta) -> set[bool]:
        with world.ctx.database.session() as session:
            return {one.is_open for one in read_world(world.ctx, session, listed + silence).supplies}

    # its limits and its list may take as long as their calls may, one after the other
    assert open_after(2 * timeout + timedelta(seconds=10)) == {True}
    assert open_after(4 * timeout) == {False}
