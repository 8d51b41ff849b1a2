"""The pool's loop on a real database and fake clouds: nodes kept ready, given to builds, and given up."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text

from tests.contracts.fake_cloud import HOST_KEY
from tests.unit.pool_world import MakeWorld, World, make
from xenci.host.port import HostLost
from xenci.model.node import NodeState
from xenci.services.engine import defer
from xenci.services.nodes import delete_by_hand, request_delete
from xenci.services.pool import claim, release
from xenci.store.tables import ActionRow, NodeRow

__all__ = ["make"]


def test_the_nodes_kept_ready_come_up_on_both_clouds(make: MakeWorld) -> None:
    world = make(min_ready=2)
    world.turn(3)
    ready = world.rows(NodeState.READY)
    assert sorted(row.provider for row in ready) == ["ca", "cb"]
    for row in ready:
        assert row.name == f"test-node-{row.id:06d}"
        assert row.host_key == HOST_KEY
        assert row.facts["hypervisor"] == "none"
        assert row.active_at <= row.ssh_at <= row.ready_at
    world.turn(3)
    assert len(world.rows()) == 2
    assert len(world.ca.servers) == len(world.cb.servers) == 1
    assert world.alarms() == {}


def test_waiting_builds_get_nodes_and_each_node_serves_one_build(make: MakeWorld) -> None:
    world = make(min_ready=0)
    world.queue(3)
    world.turn(3)
    assert len(world.rows(NodeState.READY)) == 3
    with world.ctx.database.session() as session:
        first, second = claim(session, "small", 1), claim(session, "small", 2)
        assert first is not None
        assert second is not None
        assert {first.provider, second.provider} == {"ca", "cb"}, "the cloud with fewer in use comes first"
        assert (first.state, first.build_id) == (NodeState.IN_USE, 1)
        assert claim(session, "other", 3) is None
    with world.ctx.database.session() as session:
        release(session, first.id, "build 1 has ended")
    world.turn(3)
    row = world.rows()[first.id - 1]
    assert (row.state, row.reason) == (NodeState.DELETED, "build 1 has ended")
    assert first.server_id not in {**world.ca.servers, **world.cb.servers}


def test_a_node_that_becomes_ready_while_dispatch_looks_is_looked_at_again(make: MakeWorld) -> None:
    world = make(min_ready=1)
    world.turn(2)
    waits = text("select count(*) from procrastinate_jobs where task_name = 'dispatch' and status = 'todo'")
    with world.ctx.database.session() as session:
        session.execute(text("delete from procrastinate_jobs"))
        defer(session, "dispatch")
        session.execute(text("update procrastinate_jobs set status = 'doing'"))
        session.execute(text("update nodes set state = 'testing', ready_at = null"))
    world.turn(1)
    assert world.rows(NodeState.READY)
    with world.ctx.database.session() as session:
        assert session.execute(waits).scalar() == 1


def test_a_node_is_claimed_by_one_of_two_transactions(make: MakeWorld) -> None:
    world = make(min_ready=1)
    world.turn(3)
    with world.ctx.database.session() as one, world.ctx.database.session() as two:
        assert claim(one, "small", 1) is not None
        assert claim(two, "small", 2) is None


def test_a_node_is_deleted_on_request_whatever_it_does(make: MakeWorld) -> None:
    world = make(min_ready=1)
    world.turn(3)
    (ready,) = world.rows()
    with world.ctx.database.session() as session:
        said = delete_by_hand(session, session.get_one(NodeRow, ready.id), who="ann", reason="try", at=world.at[0])
        assert said == f"{ready.name} is being deleted"
    world.turn(3)
    assert (world.rows()[0].state, world.rows()[0].reason) == (NodeState.DELETED, "deleted by ann: try")
    with world.ctx.database.session() as session:
        assert [row.what for row in session.scalars(select(ActionRow))] == [f"delete node {ready.name}"]
        again = delete_by_hand(session, session.get_one(NodeRow, ready.id), who="ann", reason="", at=world.at[0])
        assert again == f"{ready.name} is deleted already"
    request_delete(world.ctx, ready.id, "once more")
    assert world.rows()[0].reason == "deleted by ann: try"


def test_a_request_to_delete_does_not_wait_for_the_next_look_at_a_booting_machine(make: MakeWorld) -> None:
    world = make(min_ready=1)
    world.turn(1)
    (booting,) = world.rows()
    when = text("select scheduled_at from procrastinate_jobs where queueing_lock = :name")
    with world.ctx.database.session() as session:
        session.execute(text("delete from procrastinate_jobs"))
        defer(session, "node", booting.id, after=timedelta(hours=1))
    request_delete(world.ctx, booting.id, "enough")
    with world.ctx.database.session() as session:
        assert session.scalars(when, {"name": f"node:{booting.id}"}).all() == [None]


def relabelled(world: World) -> None:
    """Start anew with a configuration whose label has another name."""
    settings = world.ctx.settings
    text = settings.model_dump_json(exclude_defaults=True).replace('"small"', '"large"')
    world.ctx.settings = type(settings).model_validate_json(text)


def test_ready_nodes_of_a_label_that_left_the_configuration_are_deleted_and_those_in_use_finish(
    make: MakeWorld,
) -> None:
    world = make(min_ready=2)
    world.turn(3)
    with world.ctx.database.session() as session:
        used = claim(session, "small", 7)
        assert used is not None
    relabelled(world)
    world.turn(4)
    ready, kept = sorted((r for r in world.rows() if r.label == "small"), key=lambda row: row.id == used.id)
    assert (ready.state, ready.reason) == (NodeState.DELETED, "the label small is no longer configured")
    assert kept.state == NodeState.IN_USE
    assert used.name in world.alarms()["label:small:unknown"]
    with world.ctx.database.session() as session:
        release(session, used.id, "build 7 has ended")
    world.turn(4)
    assert world.rows()[used.id - 1].state == NodeState.DELETED
    assert "label:small:unknown" not in world.alarms()


@pytest.mark.parametrize("is_active", [False, True], ids=["being created", "waits for SSH"])
def test_a_launch_of_a_label_that_left_the_configuration_is_ended(make: MakeWorld, is_active: bool) -> None:
    world = make(min_ready=1)
    world.silent.append(HostLost("10.0.0.1: connection refused"))
    world.turn(3 if is_active else 1, settle=is_active)
    relabelled(world)
    world.silent.clear()
    world.turn(4)
    (old,) = (row for row in world.rows() if row.label == "small")
    assert (old.state, old.failure) == (NodeState.DELETED, None)
    assert old.server_id not in {**world.ca.servers, **world.cb.servers}


def test_an_old_node_is_replaced(make: MakeWorld) -> None:
    world = make(min_ready=1, max_age="1h")
    world.turn(3)
    world.turn(1, by=timedelta(hours=2))
    world.turn(4)
    old, new = world.rows()
    assert (old.state, new.state) == (NodeState.DELETED, NodeState.READY)


def test_the_same_turn_twice_changes_nothing(make: MakeWorld) -> None:
    world = make(min_ready=2)
    world.turn(3)
    before = [(row.id, row.state, row.state_at) for row in world.rows()]
    world.turn(4)
    assert [(row.id, row.state, row.state_at) for row in world.rows()] == before
