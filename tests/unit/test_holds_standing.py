"""Standing wishes to hold: which launches and builds they are about, and how often."""

import pytest
from sqlalchemy import select

from tests.unit.held_nodes import KEY, end, nudged, take, terms, wish
from tests.unit.pool_world import MakeWorld, make
from xenci.host.port import HostLost
from xenci.model.node import NodeState
from xenci.model.pool import Autohold
from xenci.services.autoholds import add_autohold, end_autohold
from xenci.services.holds import way_in
from xenci.store.holds import open_hold, standing_wishes
from xenci.store.tables import HoldRow

__all__ = ["make"]
pytestmark = pytest.mark.own_database


def test_a_launch_that_fails_is_held_by_a_standing_wish_with_its_server(make: MakeWorld) -> None:
    world = make(min_ready=1, deadlines={"ssh": "1m"})
    world.silent.append(HostLost("10.0.0.1: connection refused"))
    with world.ctx.database.session() as session:
        what = Autohold(label="small", endings=("ssh", "xen"))
        add_autohold(session, world.ctx.settings, what, terms(), wish(world))
    world.turn(20)
    first, *others = world.rows()
    assert (first.state, first.failure) == (NodeState.HOLD, "ssh")
    assert first.reason.startswith("held for dana: looks why (its launch failed: ssh); SSH does not answer")
    assert first.server_id in {**world.ca.servers, **world.cb.servers}
    assert {row.state for row in others if row.failure} <= {NodeState.DELETING, NodeState.DELETED}, "once"
    with world.ctx.database.session() as session:
        assert standing_wishes(session) == []


@pytest.mark.parametrize(("ending", "why"), [("boot", "the server is ERROR"), ("network", "it has no address")])
def test_a_server_that_never_ran_is_held_too_though_there_is_no_way_in(make: MakeWorld, ending: str, why: str) -> None:
    world = make(min_ready=1, deadlines={"boot": "1m"})
    world.ca.has_floating = world.cb.has_floating = ending == "network"
    world.ca.fault = world.cb.fault = "" if ending == "network" else "the disk is broken"
    with world.ctx.database.session() as session:
        what = Autohold(label="small", endings=("boot", "network"))
        add_autohold(session, world.ctx.settings, what, terms(key=KEY), wish(world))
    world.turn(16)
    (row,) = world.rows(NodeState.HOLD)
    assert (row.failure, row.address) == (ending, None)
    assert why in row.reason
    assert row.server_id in {**world.ca.servers, **world.cb.servers}
    assert way_in(world.ctx.settings, row) == ""
    nudged(world)
    with world.ctx.database.session() as session:
        held = open_hold(session, row.id)
        assert held is not None
        assert (held.key_error, held.may_have_key) == ("the node has no address", False)


def test_a_standing_wish_counts_and_is_about_its_job_result_and_change_alone(make: MakeWorld) -> None:
    world = make(min_ready=4)
    world.queue(1)
    world.turn(3)
    with world.ctx.database.session() as session:
        for what in (
            Autohold(job="job", endings=("FAILURE", "TIMED_OUT"), change=2),
            Autohold(job="job", endings=("FAILURE", "TIMED_OUT"), change=1, count=2),
        ):
            add_autohold(session, world.ctx.settings, what, terms(), wish(world))
    states = []
    for result in ("SUCCESS", "FAILURE", "TIMED_OUT", "FAILURE"):
        node = take(world)
        end(world, node, result)
        states.append(world.rows()[node.id - 1].state)
    assert states == [NodeState.USED, NodeState.HOLD, NodeState.HOLD, NodeState.USED]
    with world.ctx.database.session() as session:
        (left,) = standing_wishes(session)
        assert left.change == 2
        assert end_autohold(session, left.id, wish(world)) == "autohold 1 holds no more nodes"
        assert end_autohold(session, left.id, wish(world)) == "autohold 1 has ended already"
        held = session.scalars(select(HoldRow).order_by(HoldRow.id)).first()
        assert held is not None
        assert held.reason == "looks why (build 1 ended as FAILURE)"
