"""The pool's loop on a real database and fake clouds: what it heals, what it leaves alone, what it tells."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import select, text

from tests.contracts.fake_cloud import HOST_KEY, FakeCloud
from tests.pool_settings import make_settings
from xenci.errors import XenciError
from xenci.host.port import Host, HostKeyChanged, HostLost, Output
from xenci.model.build import BuildsetState, BuildState
from xenci.model.leftover import Kind
from xenci.model.node import LaunchFailure, NodeState
from xenci.providers.port import SYSTEM_KEY, ApiDown
from xenci.rules.leaks import GRACE
from xenci.services import tick as rows
from xenci.services.context import Context
from xenci.services.engine import defer
from xenci.services.nodes import advance_node, delete_by_hand, request_delete
from xenci.services.pool import claim, release, tick
from xenci.store.database import Database
from xenci.store.marks import open_alarms
from xenci.store.tables import ActionRow, BuildRow, BuildsetRow, ChangeRow, NodeRow, PatchsetRow, StrayRow

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


@dataclass
class FakeHost:
    """A machine that answers SSH."""

    address: str

    def run(self, command: str, *, timeout: timedelta, input: bytes = b"") -> Output:
        return Output(exit_code=0, stdout=b"Linux", stderr=b"")

    def close(self) -> None:
        pass


@dataclass(kw_only=True)
class World:
    """Two fake clouds, a real database, a clock that is moved by hand."""

    ctx: Context
    ca: FakeCloud
    cb: FakeCloud
    at: list[datetime]
    #: raised by SSH to whatever node
    silent: list[XenciError] = field(default_factory=list)

    def turn(self, times: int = 1, *, settle: bool = True, by: timedelta = 5 * SECOND) -> None:
        """Let some time pass, the loop turn, and every node be taken further."""
        for _ in range(times):
            self.at[0] += by
            if settle:
                self.ca.settle()
                self.cb.settle()
            tick(self.ctx)
            for row in self.rows(NodeState.BUILDING, NodeState.TESTING, NodeState.USED, NodeState.DELETING):
                advance_node(self.ctx, row.id)

    def rows(self, *states: NodeState) -> list[NodeRow]:
        with self.ctx.database.session() as session:
            rows = session.scalars(select(NodeRow).order_by(NodeRow.id))
            return [row for row in rows if not states or row.state in states]

    def alarms(self) -> dict[str, str]:
        with self.ctx.database.session() as session:
            return {row.key: row.detail for row in open_alarms(session)}

    def queue(self, builds: int) -> None:
        """Have builds wait for nodes."""
        with self.ctx.database.session() as session:
            change = ChangeRow(number=1, project="p", branch="b", key="I1", subject="s")
            patchset = PatchsetRow(change=change, number=1, sha="0" * 40, ref="r", uploaded_at=self.at[0])
            for number in range(builds):
                buildset = BuildsetRow(
                    patchset=patchset,
                    pipeline="check",
                    trigger="patchset",
                    trigger_key=f"key{number}",
                    uuid=f"set{number}",
                    state=BuildsetState.RUNNING,
                    triggered_at=self.at[0],
                )
                session.add(
                    BuildRow(buildset=buildset, job="job", attempt=1, uuid=f"b{number}", state=BuildState.QUEUED)
                )


MakeWorld = Callable[..., World]


@pytest.fixture
def make(database: Database, tmp_path: Path) -> MakeWorld:
    def make_world(**label: Any) -> World:
        at = [BEGIN]
        silent: list[XenciError] = []

        def clock() -> datetime:
            return at[0]

        def connect(address: str, user: str, host_key: str, port: int) -> Host:
            assert (user, host_key) == ("root", HOST_KEY)
            if silent:
                raise silent[0]
            return cast(Host, FakeHost(address))

        ca, cb = (FakeCloud(name, clock=clock) for name in ("ca", "cb"))
        nothing = cast(Any, None)
        ctx = Context(
            settings=make_settings(tmp_path, **label),
            database=database,
            clock=clock,
            gerrit=nothing,
            providers={"ca": ca, "cb": cb},
            connect=connect,
            mirrors=nothing,
            artifacts=nothing,
            public_key="ssh-ed25519 AAAA",
        )
        return World(ctx=ctx, ca=ca, cb=cb, at=at, silent=silent)

    return make_world


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
    rows.tick(world.ctx)
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
    rows.tick(world.ctx)
    world.at[0] += timedelta(hours=1)
    for _ in range(12):
        rows.tick(world.ctx)
        world.turn(1, by=30 * SECOND)
    assert world.rows()[0].failure == LaunchFailure.SSH


def test_a_server_that_became_active_while_nobody_looked_is_no_late_boot(make: MakeWorld) -> None:
    world = make(min_ready=1, deadlines={"boot": "1m", "ssh": "1m"})
    world.turn(1, settle=False)
    rows.tick(world.ctx)
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


def test_a_wrong_host_key_is_read_again_and_never_accepted(make: MakeWorld) -> None:
    world = make(min_ready=1, deadlines={"ssh": "1m"})
    world.silent.append(HostKeyChanged("10.0.0.1"))
    world.turn(4)
    assert world.rows()[0].state == NodeState.BUILDING
    assert (world.ca.calls + world.cb.calls).count("console") >= 2
    world.silent.clear()
    world.turn(1)
    assert world.rows()[0].state == NodeState.READY


def test_a_cloud_is_listed_once_for_many_turns_close_together(make: MakeWorld) -> None:
    world = make(min_ready=5)
    world.turn(5, by=SECOND)
    assert world.ca.calls.count("list") <= 2


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
