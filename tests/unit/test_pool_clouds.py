"""Clouds that are full, dead, or lose servers: what the pool waits for, what it replaces, what it leaves alone."""

from dataclasses import replace

from sqlalchemy import select

from tests.unit.pool_world import MINUTE, SECOND, MakeWorld, make
from xenci.model.leftover import Kind
from xenci.model.node import LaunchFailure, NodeState
from xenci.providers.port import SYSTEM_KEY, ApiDown
from xenci.rules.leaks import GRACE
from xenci.services.pool import claim
from xenci.store.tables import StrayRow

__all__ = ["make"]


def test_a_full_quota_means_wait_and_is_told(make: MakeWorld) -> None:
    world = make(min_ready=0)
    world.ca.quota = world.cb.quota = 1
    world.queue(4)
    world.turn(6)
    assert len(world.rows(NodeState.READY)) == 2
    assert len(world.rows()) == 2, "what the quota refuses is not asked for again and again"
    assert set(world.alarms()) == {"provider:ca:quota", "provider:cb:quota"}
    world.ca.quota = 10
    world.turn(1, by=30 * SECOND)
    world.turn(2)
    assert len(world.rows(NodeState.READY)) == 4
    assert "provider:ca:quota" not in world.alarms()


def test_a_quota_that_fills_up_behind_our_back_is_no_failure(make: MakeWorld) -> None:
    world = make(min_ready=1)
    world.turn(settle=False)
    world.ca.quota = world.cb.quota = 0
    world.queue(2)
    world.turn(6)
    assert {row.failure for row in world.rows()} <= {None, LaunchFailure.QUOTA}
    assert "label:small:launch" not in world.alarms()


def test_a_dead_cloud_is_told_and_the_other_takes_the_load(make: MakeWorld) -> None:
    world = make(min_ready=2)
    world.ca.down = ApiDown("connection refused")
    world.turn(6)
    assert [row.provider for row in world.rows(NodeState.READY)] == ["cb", "cb"]
    assert "connection refused" in world.alarms()["provider:ca:api"]
    world.ca.down = None
    world.turn(2)
    assert world.alarms() == {}


def test_a_cloud_that_dies_with_our_servers_on_it_loses_none_of_them(make: MakeWorld) -> None:
    world = make(min_ready=2)
    world.turn(3)
    world.ca.down = ApiDown("connection refused")
    world.turn(6, by=3 * MINUTE)
    assert len(world.rows(NodeState.READY)) == 2
    assert len(world.rows()) == 2


def test_a_server_deleted_behind_our_back_is_noticed_and_replaced(make: MakeWorld) -> None:
    world = make(min_ready=1)
    world.turn(3)
    (ready,) = world.rows(NodeState.READY)
    world.ca.servers.clear()
    world.cb.servers.clear()
    world.turn(1)
    assert world.rows()[0].state == NodeState.READY, "one list may be incomplete"
    with world.ctx.database.session() as session:
        assert claim(session, "small", 1) is None, "a node that may have vanished is not given away"
    world.turn(2)
    assert world.rows()[0].state == NodeState.READY, "a part of the cloud may be away for a moment"
    world.turn(1, by=MINUTE)
    world.turn(4)
    lost, new = world.rows()
    assert (lost.id, lost.state) == (ready.id, NodeState.DELETED)
    assert "vanished" in lost.reason
    assert new.state == NodeState.READY


def test_a_node_in_use_whose_machine_is_down_is_lost(make: MakeWorld) -> None:
    world = make(min_ready=1)
    world.turn(3)
    with world.ctx.database.session() as session:
        node = claim(session, "small", 7)
        assert node is not None
    cloud = world.ca if node.provider == "ca" else world.cb
    cloud.servers[node.server_id or ""] = replace(cloud.servers[node.server_id or ""], status="SHUTOFF")
    world.turn(1)
    assert world.rows()[0].state == NodeState.DELETING
    assert world.rows()[0].reason == "the server is SHUTOFF"


def test_servers_of_others_are_left_alone_and_strays_of_ours_are_swept(make: MakeWorld) -> None:
    world = make(min_ready=0)
    foreign = world.ca.put("test-node-000001", {"xenci_node": "test-node-000001"})
    another = world.ca.put("test-node-000001", {"xenci_node": "test-node-000001", SYSTEM_KEY: "other"})
    stray = world.ca.put("test-node-000001", {"xenci_node": "test-node-000001", SYSTEM_KEY: "test"})
    world.turn(4)
    assert stray.id in world.ca.servers, "it may be young"
    world.turn(4, by=GRACE[Kind.SERVER] / 2)
    assert set(world.ca.servers) == {foreign.id, another.id}
    with world.ctx.database.session() as session:
        (row,) = session.scalars(select(StrayRow))
        assert row.cloud_id == stray.id
        assert row.deleted_at is not None


def test_a_cloud_is_listed_once_for_many_turns_close_together(make: MakeWorld) -> None:
    world = make(min_ready=5)
    world.turn(5, by=SECOND)
    assert world.ca.calls.count("list") <= 2
