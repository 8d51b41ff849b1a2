"""Nodes that are held for a person: when it begins, when it ends, what is refused, and what it costs the pool."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.unit.held_nodes import end, hold, let_go, take, terms, wish
from tests.unit.pool_world import MINUTE, MakeWorld, make
from xenci.errors import NotFound
from xenci.model.node import NodeState
from xenci.model.pool import Autohold
from xenci.rules.holds import LONGEST_HOLD, ssh_command
from xenci.services.autoholds import add_autohold
from xenci.services.holds import CannotHold, way_in
from xenci.services.pool import claim
from xenci.store.holds import open_hold
from xenci.store.tables import ActionRow, NodeRow

__all__ = ["make"]
pytestmark = pytest.mark.own_database


def test_a_node_in_use_is_held_when_its_build_has_ended_and_deleted_when_its_time_is_over(make: MakeWorld) -> None:
    world = make(min_ready=1, max_nodes=1)
    world.queue(1)
    world.turn(3)
    node = take(world)
    assert hold(world, node.id).endswith("as soon as its build has ended")
    world.turn(2)
    assert world.rows()[0].state == NodeState.IN_USE
    end(world, node, "SUCCESS")
    world.turn(5, by=10 * MINUTE)
    (row,) = world.rows()
    assert (row.state, row.server_id) == (NodeState.HOLD, node.server_id), "it takes the label's only place"
    assert row.reason == "held for dana: looks why; build 1 has ended: SUCCESS"
    world.turn(4, by=10 * MINUTE)
    gone, new = world.rows()
    assert (gone.state, gone.reason) == (NodeState.DELETED, "its hold for dana has ended: its time is over")
    assert new.state == NodeState.READY


def test_a_ready_node_is_held_at_once_and_another_takes_its_place(make: MakeWorld) -> None:
    world = make(min_ready=1)
    world.turn(3)
    (ready,) = world.rows()
    assert "is held for dana until 2026-03-01 13:00 UTC" in hold(world, ready.id)
    with world.ctx.database.session() as session:
        assert claim(session, "small", 1) is None
    world.turn(3)
    held, other = world.rows()
    assert (held.state, other.state) == (NodeState.HOLD, NodeState.READY)
    assert let_go(world, ready.id) == f"{ready.name} is released and being deleted"
    world.turn(3)
    assert world.rows()[0].state == NodeState.DELETED
    with pytest.raises(NotFound, match="Nobody holds"):
        let_go(world, ready.id)
    with world.ctx.database.session() as session:
        said = [row.what for row in session.scalars(select(ActionRow).order_by(ActionRow.id))]
    assert said == [f"node hold {ready.name} for dana, 1:00:00", f"node release {ready.name}"]


def test_a_held_node_whose_server_vanishes_is_no_hold_any_more(make: MakeWorld) -> None:
    world = make(min_ready=1)
    world.turn(3)
    (ready,) = world.rows()
    hold(world, ready.id)
    world.ca.servers.clear()
    world.cb.servers.clear()
    world.turn(4, by=MINUTE)
    assert world.rows()[0].state == NodeState.DELETED
    with world.ctx.database.session() as session:
        assert open_hold(session, ready.id) is None


def test_a_hold_that_has_not_begun_is_taken_back_without_a_trace(make: MakeWorld) -> None:
    world = make(min_ready=1)
    world.turn(1, settle=False)
    (row,) = world.rows()
    assert hold(world, row.id).endswith("as soon as it is ready or its launch has failed")
    assert let_go(world, row.id) == f"{row.name} will not be held"
    world.turn(3)
    assert world.rows()[0].state == NodeState.READY


def test_what_cannot_be_held_is_refused_with_a_remedy(make: MakeWorld) -> None:
    world = make(min_ready=1)
    world.turn(3)
    (ready,) = world.rows()
    for length in (timedelta(0), LONGEST_HOLD + MINUTE):
        with pytest.raises(CannotHold, match="14 days"):
            hold(world, ready.id, length)
    with world.ctx.database.session() as session:
        session.get_one(NodeRow, ready.id).state = NodeState.DELETED
    with pytest.raises(CannotHold, match="deleted already"):
        hold(world, ready.id)
    wrong = [
        (Autohold(job="nothing", endings=("FAILURE",)), "there are job"),
        (Autohold(job="job", endings=("ssh",)), "there are SUCCESS, FAILURE"),
        (Autohold(label="small", endings=("quota",)), "there are boot, network, ssh, xen"),
        (Autohold(endings=("FAILURE",)), "either a job or a label"),
        (Autohold(job="job", endings=("FAILURE",), count=0), "from 1 to 100"),
    ]
    for what, words in wrong:
        with world.ctx.database.session() as session, pytest.raises(CannotHold, match=words):
            add_autohold(session, world.ctx.settings, what, terms(), wish(world))


def test_the_way_in_is_told(make: MakeWorld) -> None:
    world = make(min_ready=1, ssh_port=2222)
    world.turn(3)
    (ready,) = world.rows()
    assert way_in(world.ctx.settings, ready) == f"ssh -p 2222 root@{ready.address}"
    assert ssh_command(user="me", address="10.0.0.1", port=22) == "ssh me@10.0.0.1"
