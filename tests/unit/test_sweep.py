"""The sweep on a real database and fake clouds: what leaks goes, what is others' stays; calls are counted."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, select

from tests.contracts.fake_cloud import FakeCloud
from tests.unit.pool_world import SECOND, MakeWorld, World, make
from xenci.errors import XenciError
from xenci.model.leftover import Kind
from xenci.model.node import NodeState
from xenci.providers.port import ApiDown, NoCapacity, QuotaExceeded
from xenci.rules.leaks import GRACE
from xenci.rules.owned import owned
from xenci.services.pool import claim, tick
from xenci.services.sweep import EVERY
from xenci.store.tables import ApiCallRow, NodeRow, StrayRow

__all__ = ["make"]


def sweeps(world: World, times: int) -> None:
    """Let so many sweeps pass."""
    world.turn(times, by=EVERY + SECOND)


def held(cloud: FakeCloud) -> set[tuple[Kind, str]]:
    return set(cloud.things)


def test_what_is_left_over_is_deleted_once_seen_twice_and_old_enough_and_nothing_of_others(make: MakeWorld) -> None:
    world = make(min_ready=2)
    world.turn(3)
    in_use = held(world.ca)
    (server,) = world.ca.servers
    for kind in (Kind.PORT, Kind.FLOATING_IP, Kind.VOLUME):
        world.ca.hold(kind, f"used {kind}", system="test", server_id=server)
    for kind in (Kind.PORT, Kind.FLOATING_IP, Kind.VOLUME, Kind.KEYPAIR):
        world.ca.hold(kind, f"left {kind}", system="test", server_id="gone")
        world.ca.hold(kind, f"xenci-test-{kind}", system="other", server_id="gone")
        world.ca.hold(kind, f"xenci-test-{kind} of nobody", system=None, server_id="gone")
    theirs = {key for key, thing in world.ca.things.items() if thing.system != "test"}
    used = in_use | {key for key in held(world.ca) if key[1].startswith("used")}
    sweeps(world, 1)
    assert {key for key in held(world.ca) if key[1].startswith("left")}, "seen once"
    sweeps(world, 3)
    assert held(world.ca) == theirs | used
    with world.ctx.database.session() as session:
        rows = list(session.scalars(select(StrayRow)))
        assert {row.kind for row in rows} == {Kind.PORT, Kind.FLOATING_IP, Kind.VOLUME, Kind.KEYPAIR}
        assert all(row.deleted_at is not None for row in rows)
    assert world.alarms() == {}


def test_a_port_that_nova_left_of_a_server_of_ours_is_found_by_the_servers_id(make: MakeWorld) -> None:
    world = make(min_ready=1)
    world.turn(3)
    (row,) = world.rows(NodeState.READY)
    cloud = world.ca if row.provider == "ca" else world.cb
    cloud.hold(Kind.PORT, "novas", system=None, server_id=row.server_id)
    cloud.hold(Kind.PORT, "foreign", system=None, server_id="another")
    sweeps(world, 4)
    assert (Kind.PORT, "novas") in held(cloud), "its server lives"
    cloud.servers.clear()
    world.turn(3, by=timedelta(minutes=1))
    assert world.rows()[0].state == NodeState.DELETED
    assert "vanished" in world.rows()[0].reason
    sweeps(world, 4)
    assert {key for key in held(cloud) if key[0] is Kind.PORT} == {(Kind.PORT, "foreign")}


def test_a_snapshot_that_the_configuration_names_is_never_deleted(make: MakeWorld) -> None:
    world = make(min_ready=2)
    world.turn(3)
    (server,) = world.ca.servers
    kept = world.ca.snapshot(server, name="standin", properties={})
    left = world.ca.snapshot(server, name="tried", properties={})
    sweeps(world, 4)
    assert left.id in world.ca.snapshots, "uploads take their time"
    world.at[0] += GRACE[Kind.IMAGE]
    sweeps(world, 1)
    assert set(world.ca.snapshots) == {kept.id}


def test_a_thing_that_gets_its_row_meanwhile_is_no_leak(make: MakeWorld) -> None:
    world = make(min_ready=0)
    world.ca.hold(Kind.FLOATING_IP, "1.2.3.4", system="test", server_id="late")
    sweeps(world, 1)
    with world.ctx.database.session() as session:
        common = {"label": "small", "provider": "ca", "state": NodeState.HOLD, "created_at": world.at[0]}
        session.add(NodeRow(name="test-node-9", server_id="late", state_at=world.at[0], **common))
    made = world.ca.put("test-node-9", {"xenci_system": "test", "xenci_node": "test-node-9"})
    world.ca.servers = {"late": replace(made, id="late")}
    sweeps(world, 4)
    assert (Kind.FLOATING_IP, "1.2.3.4") in held(world.ca)


def test_a_cloud_that_cannot_tell_its_leftovers_is_an_alarm_and_costs_no_node(make: MakeWorld) -> None:
    world = make(min_ready=2)
    listing = world.ca.leftovers

    def broken(servers: object) -> list[object]:
        raise ApiDown("neutron: 503")

    world.ca.leftovers = broken  # type: ignore[method-assign,assignment]
    world.turn(3)
    assert "neutron: 503" in world.alarms()["sweep:ca"]
    assert len(world.rows(NodeState.READY)) == 2
    world.ca.leftovers = listing  # type: ignore[method-assign]
    sweeps(world, 1)
    assert world.alarms() == {}


def test_a_service_that_is_down_stops_the_sweep_of_its_own_kinds_alone(make: MakeWorld) -> None:
    world = make(min_ready=0)
    world.ca.hold(Kind.VOLUME, "disk", system="test")
    sweeps(world, 1)
    world.ca.hold(Kind.PORT, "port", system="test", server_id="gone")
    world.ca.unlisted = {Kind.VOLUME: ApiDown("cinder: 503")}
    sweeps(world, 4)
    assert held(world.ca) == {(Kind.VOLUME, "disk")}
    assert "volume: " in world.alarms()["sweep:ca"]
    assert "cinder: 503" in world.alarms()["sweep:ca"]
    with world.ctx.database.session() as session:
        rows = {row.cloud_id: row.deleted_at is None for row in session.scalars(select(StrayRow))}
    assert rows == {"disk": True, "port": False}, "what was not listed is not taken for gone"
    world.ca.unlisted = {}
    sweeps(world, 2)
    assert held(world.ca) == set()
    assert world.alarms() == {}


def test_the_alarm_about_a_sweep_ends_when_its_provider_leaves_the_configuration(make: MakeWorld) -> None:
    world = make(min_ready=0)
    world.ca.unlisted = world.cb.unlisted = {Kind.VOLUME: ApiDown("cinder: 503")}
    sweeps(world, 1)
    assert set(world.alarms()) == {"sweep:ca", "sweep:cb"}
    kept = tuple(one for one in world.ctx.settings.providers if one.name == "cb")
    world.ctx.settings = world.ctx.settings.model_copy(update={"providers": kept})
    del world.ctx.providers["ca"]
    sweeps(world, 1)
    assert set(world.alarms()) == {"sweep:cb"}


def test_a_claimed_nodes_server_tells_its_build_also_after_a_crash_and_without_its_row(make: MakeWorld) -> None:
    world = make(min_ready=1)
    world.turn(3)
    with world.ctx.database.session() as session:
        node = claim(session, "small", 7)
        assert node is not None
    cloud = world.ca if node.provider == "ca" else world.cb
    down = cloud.failing(ApiDown("503"))
    with down:
        world.turn(1)
    world.turn(1)
    marks = cloud.calls.count("mark")
    world.turn(3)
    assert marks == cloud.calls.count("mark") == 1, "written once"
    with world.ctx.database.session() as session:
        session.execute(delete(NodeRow).where(NodeRow.id == node.id))
    (told,) = [owned(server) for server in cloud.list() if server.id == node.server_id]
    assert (told.name, told.number, told.label, told.build) == (node.name, node.id, "small", 7)
    assert (told.server_id, told.address, told.made_at) == (node.server_id, node.address, node.created_at)


def float_all(world: World) -> None:
    """Have every server get its address by a floating IP."""
    providers = tuple(p.model_copy(update={"floating_network": "public"}) for p in world.ctx.settings.providers)
    world.ctx.settings = world.ctx.settings.model_copy(update={"providers": providers})
    world.ca.has_floating = world.cb.has_floating = True


@pytest.mark.parametrize(
    ("error", "failure"),
    [(QuotaExceeded("floating IPs: 5 of 5"), "quota"), (NoCapacity("no port yet"), "network")],
)
def test_a_floating_ip_that_cannot_be_had_is_no_fault_of_the_image(
    make: MakeWorld, error: XenciError, failure: str
) -> None:
    world = make(min_ready=1, deadlines={"boot": "1m"})
    float_all(world)
    world.ca.no_address = world.cb.no_address = error
    world.turn(16)
    first = world.rows()[0]
    assert first.failure == failure
    assert f"it has no address after 60 s; last: waits for a floating IP: {error.sentence}" == first.reason


def test_a_server_whose_floating_ip_came_late_is_met(make: MakeWorld) -> None:
    world = make(min_ready=1)
    float_all(world)
    world.ca.no_address = world.cb.no_address = QuotaExceeded("floating IPs: 5 of 5")
    world.turn(3)
    assert [row.no_address for row in world.rows()] == ["quota"]
    world.ca.no_address = world.cb.no_address = None
    world.turn(8)
    assert [(row.state, row.no_address) for row in world.rows()] == [(NodeState.READY, None)]


def test_a_server_gets_its_floating_ip_before_it_is_met_and_loses_it_with_its_node(make: MakeWorld) -> None:
    world = make(min_ready=1)
    float_all(world)
    world.turn(4)
    (row,) = world.rows(NodeState.READY)
    cloud = world.ca if row.provider == "ca" else world.cb
    assert (Kind.FLOATING_IP, row.address) in held(cloud)
    assert cloud.calls.count("give_address") == 1


def test_two_processes_list_a_cloud_once_in_five_seconds_whether_it_answers_or_not(make: MakeWorld) -> None:
    one = make(min_ready=5)
    two = make(min_ready=5)
    two.ctx.providers = one.ctx.providers
    two.at = one.at
    for cloud in (one.ca, one.cb):
        cloud.counts = one.ctx.calls
    began = one.at[0]
    one.ca.down = ApiDown("503")
    for _ in range(20):
        one.turn(1, by=SECOND)
        object.__setattr__(two.ctx, "clock", one.ctx.clock)
        tick(two.ctx)
        if one.at[0] - began == timedelta(seconds=10):
            one.ca.down = None
    with one.ctx.database.session() as session:
        counts = {(row.provider, row.call): row.count for row in session.scalars(select(ApiCallRow))}
    assert counts["cb", "list"] == 4
    # while it is down it is asked for its limits, and not for the list any more
    assert counts["ca", "list"] + one.ca.calls.count("limits") <= 4 + 2
    assert counts["cb", "list"] == one.cb.calls.count("list")
