"""Launches on fake clouds: which fail and why, where the next one goes, what passed while nobody looked."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.unit.pool_world import MINUTE, SECOND, MakeWorld, make
from xenci.host.port import HostKeyChanged, HostLost
from xenci.model.node import LaunchFailure, NodeState
from xenci.providers.port import ApiDown
from xenci.services import tick as rows
from xenci.services.life import give
from xenci.services.nodes import advance_node
from xenci.services.pool import tick

__all__ = ["make"]


def test_killed_between_row_and_server_nothing_is_lost_or_doubled(make: MakeWorld) -> None:
    world = make(min_ready=1)
    tick(world.ctx)
    (row,) = world.rows()
    assert (row.state, row.server_id) == (NodeState.BUILDING, None)
    # the server was created, and we died before its id was written
    cloud = world.ca if row.provider == "ca" else world.cb
    metadata = {"xenci_node": row.name, "xenci_made_at": row.created_at.isoformat()}
    server = cloud.create(name=row.name, image="standin", flavor="small", public_key="k", metadata=metadata)
    world.turn(3)
    (row,) = world.rows()
    assert (row.state, row.server_id) == (NodeState.READY, server.id)
    assert list(cloud.servers) == [server.id]


def test_a_create_that_we_lost_sight_of_is_cleaned_up_and_goes_to_the_other_cloud(make: MakeWorld) -> None:
    world = make(min_ready=1)
    world.ca.forgetful = ApiDown("timed out")
    world.turn(4)
    failed, ready = world.rows()
    assert (failed.provider, failed.failure, failed.state) == ("ca", LaunchFailure.API, NodeState.DELETED)
    assert (ready.provider, ready.state) == ("cb", NodeState.READY)
    assert world.ca.servers == {}


def test_a_failed_launch_goes_to_the_other_cloud_and_keeps_its_reason(make: MakeWorld) -> None:
    world = make(min_ready=1)
    world.ca.fault = "no disk"
    world.turn(5)
    failed, ready = world.rows()
    assert (failed.provider, failed.failure) == ("ca", LaunchFailure.BOOT)
    assert failed.reason == "the server is ERROR: aborted: no disk"
    assert (ready.provider, ready.state) == ("cb", NodeState.READY)
    assert world.ca.servers == {}


def test_a_machine_without_ssh_is_late_and_the_reason_says_what_was_last_met(make: MakeWorld) -> None:
    world = make(min_ready=1, deadlines={"ssh": "1m"})
    world.silent.append(HostLost("10.0.0.1: connection refused"))
    world.turn(3)
    assert "connection refused" in world.rows()[0].reason
    world.turn(14)
    first = world.rows()[0]
    assert first.failure == LaunchFailure.SSH
    assert "connection refused" in first.reason


@pytest.mark.parametrize("looks_first", ["pool", "node"])
def test_a_launch_whose_deadline_passed_while_nobody_looked_is_looked_at_first(
    make: MakeWorld, looks_first: str
) -> None:
    world = make(min_ready=1, deadlines={"ssh": "1m"})
    world.silent.append(HostLost("10.0.0.1: connection refused"))
    world.turn(3)
    give(world.ctx)
    world.at[0] += timedelta(hours=1)
    world.silent.clear()
    if looks_first == "pool":
        tick(world.ctx)
    advance_node(world.ctx, world.rows()[0].id)
    (row,) = world.rows()
    assert (row.state, row.failure) == (NodeState.READY, None)


def test_a_launch_that_stays_silent_after_the_return_fails_soon(make: MakeWorld) -> None:
    world = make(min_ready=1, deadlines={"ssh": "1m"})
    world.silent.append(HostLost("10.0.0.1: connection refused"))
    world.turn(3)
    give(world.ctx)
    world.at[0] += timedelta(hours=1)
    for _ in range(12):
        give(world.ctx)
        world.turn(1, by=30 * SECOND)
    assert world.rows()[0].failure == LaunchFailure.SSH


def test_a_server_that_became_active_while_nobody_looked_is_no_late_boot(make: MakeWorld) -> None:
    world = make(min_ready=1, deadlines={"boot": "1m", "ssh": "1m"})
    world.turn(1, settle=False)
    give(world.ctx)
    world.at[0] += timedelta(hours=1)
    advance_node(world.ctx, world.rows()[0].id)
    world.turn(3)
    (row,) = world.rows()
    assert (row.state, row.failure) == (NodeState.READY, None)


def test_when_the_attempts_are_used_up_an_alarm_says_why_until_a_node_is_ready(make: MakeWorld) -> None:
    world = make(min_ready=1, launch_attempts=2)
    world.ca.fault = world.cb.fault = "no disk"
    world.turn(8)
    assert "no disk" in world.alarms()["label:small:launch"]
    world.ca.fault = world.cb.fault = ""
    world.turn(8, by=2 * MINUTE)
    assert world.rows(NodeState.READY)
    assert "label:small:launch" not in world.alarms()


def test_an_image_that_is_missing_is_told_at_once_and_it_goes_on_when_it_is_there(make: MakeWorld) -> None:
    world = make(min_ready=2)
    world.ca.public_images = world.cb.public_images = ["standing"]
    world.turn(4)
    assert "did you mean 'standing'" in world.alarms()["provider:ca:launch:small:config"]
    made = len(world.rows())
    world.turn(4)
    assert len(world.rows()) == made, "it is not asked again at every turn"
    world.ca.public_images = world.cb.public_images = ["standin"]
    world.turn(4, by=MINUTE)
    assert world.rows(NodeState.READY)
    assert world.alarms() == {}


def test_a_console_without_a_key_is_read_again_after_a_pause_that_no_tick_shortens(make: MakeWorld) -> None:
    world = make(min_ready=1)
    world.turn(1, settle=False)
    world.ca.settle()
    (silent,) = world.ca.servers
    told, world.ca.consoles[silent] = world.ca.consoles[silent], "booting\n"
    world.turn(1)
    with world.ctx.database.session() as session:
        session.execute(text("delete from procrastinate_jobs"))
    advance_node(world.ctx, world.rows()[0].id)
    jobs = text("select scheduled_at - now() > interval '2 seconds' from procrastinate_jobs where task_name = 'node'")
    for look in ("the first", "after a tick"):
        with world.ctx.database.session() as session:
            assert list(session.execute(jobs).scalars()) == [True], look
        rows.tick(world.ctx)
    assert world.rows()[0].reason == "waits for its SSH host key on the console"
    world.ca.consoles[silent] = told
    world.turn(1)
    assert world.rows()[0].state == NodeState.READY


def test_a_wrong_host_key_is_read_again_and_never_accepted(make: MakeWorld) -> None:
    world = make(min_ready=1, deadlines={"ssh": "1m"})
    world.silent.append(HostKeyChanged("10.0.0.1"))
    world.turn(4)
    assert world.rows()[0].state == NodeState.BUILDING
    assert (world.ca.calls + world.cb.calls).count("console") >= 2
    world.silent.clear()
    world.turn(1)
    assert world.rows()[0].state == NodeState.READY
