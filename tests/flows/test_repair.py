"""Builds, buildsets and nodes agree, whatever two processes did at the same moment."""

from typing import Any

import pytest
from sqlalchemy import text

from tests.flows.world import World, make_settings
from xenci.errors import NotFound
from xenci.gerrit.trees import CarryConflict
from xenci.model.node import NodeState
from xenci.services.byhand import run_by_hand
from xenci.services.consider import consider
from xenci.services.dispatch import dispatch
from xenci.services.listener import keep
from xenci.services.prepare import prepare
from xenci.services.reconcile import reconcile
from xenci.services.repair import repair
from xenci.store.marks import open_alarms
from xenci.store.tables import BuildRow, BuildsetRow, NodeRow


def queued(world: World) -> tuple[int, BuildsetRow]:
    """A change with a build that waits for a node; return its number and the buildset."""
    change = world.gerrit.push().change
    consider(world.ctx, change)
    prepare(world.ctx, world.buildsets()[-1].id)
    return change, world.buildsets()[-1]


def put(world: World, row: type[Any], number: int, **values: object) -> None:
    with world.database.session() as session:
        for name, value in values.items():
            setattr(session.get_one(row, number), name, value)


def node_state(world: World, number: int) -> str:
    with world.database.session() as session:
        return session.get_one(NodeRow, number).state


def test_a_node_in_use_by_a_build_that_has_ended_is_given_back(world: World) -> None:
    _, buildset = queued(world)
    build = buildset.builds[0].id
    node = world.give_node(build)
    repair(world.ctx)
    assert node_state(world, node.id) == NodeState.IN_USE
    put(world, BuildRow, build, state="done", result="ABORTED")
    repair(world.ctx)
    assert node_state(world, node.id) == NodeState.USED


def test_a_buildset_whose_builds_have_all_ended_is_settled_and_reported(world: World) -> None:
    _, buildset = queued(world)
    put(world, BuildRow, buildset.builds[0].id, state="done", result="SUCCESS", fault="none", reasons=["well"])
    repair(world.ctx)
    (settled,) = world.buildsets()
    assert (settled.state, settled.result) == ("done", "SUCCESS")
    assert len(world.reports()) == 1
    repair(world.ctx)
    assert len(world.reports()) == 1


def test_a_build_of_a_buildset_that_was_withdrawn_never_starts(world: World) -> None:
    _, buildset = queued(world)
    put(world, BuildsetRow, buildset.id, state="done", result="ABORTED")
    with world.database.session() as session:
        session.add(
            NodeRow(
                name="test-node", label="xen", provider="ca", state="ready", facts={},
                created_at=world.now, state_at=world.now, ready_at=world.now,
            )
        )  # fmt: skip
    dispatch(world.ctx)
    assert world.buildsets()[0].builds[0].state == "queued"
    repair(world.ctx)
    assert world.buildsets()[0].builds[0].state == "done"


def test_a_job_that_the_configuration_lost_ends_and_stops_nobody(world: World) -> None:
    _, buildset = queued(world)
    put(world, BuildRow, buildset.builds[0].id, job="of-old")
    _, other = queued(world)
    dispatch(world.ctx)
    repair(world.ctx)
    lost, kept = world.buildsets()
    assert (lost.state, lost.result, lost.builds[0].state) == ("done", "ABORTED", "done")
    assert "no longer has the job of-old" in lost.reasons[0]
    assert (kept.id, kept.builds[0].state) == (other.id, "queued")


def test_a_change_that_gerrit_no_longer_shows_is_given_up(world: World) -> None:
    change = world.gerrit.push().change
    consider(world.ctx, change)
    del world.gerrit.changes[change]
    consider(world.ctx, change)
    (buildset,) = world.buildsets()
    assert (buildset.state, buildset.result) == ("done", "ABORTED")


def test_an_operators_run_of_an_old_patch_set_is_left_alone(world: World) -> None:
    change = world.gerrit.push().change
    world.later(minutes=1)
    world.gerrit.push(number=change)
    (asked,) = run_by_hand(world.ctx, f"{change},1", pipeline="check", who="an operator")
    consider(world.ctx, change)
    reconcile(world.ctx)
    assert next(b for b in world.buildsets() if b.id == asked.id).state != "done"


def test_events_of_projects_that_no_pipeline_tests_leave_no_row(world: World) -> None:
    elsewhere = b'{"type":"patchset-created","change":{"project":"openstack/swift","branch":"master","number":5,'
    elsewhere += b'"id":"I1","owner":{"username":"x"}},"patchSet":{"number":1,"revision":"' + b"a" * 40
    elsewhere += b'","ref":"refs/changes/05/5/1","createdOn":1700000000,"kind":"REWORK"},"eventCreatedOn":1700000000}'
    keep(world.ctx, elsewhere, world.now)
    keep(world.ctx, elsewhere.replace(b"openstack/swift", b"openstack/nova"), world.now)
    with world.database.session() as session:
        assert session.execute(text("select count(*) from events")).scalar() == 1


def test_the_alarm_of_a_carry_conflict_ends_with_its_change(world: World) -> None:
    world.mirrors.outcome = CarryConflict(tip_sha="5" * 40, patch="0003-x.patch", files=("a.py",), on_tip=False)
    change, _ = queued(world)
    with world.database.session() as session:
        assert [alarm.key for alarm in open_alarms(session)] == [f"carry:openstack/nova:stable/2025.1:{change}"]
    world.gerrit.end(change, "ABANDONED")
    consider(world.ctx, change)
    with world.database.session() as session:
        assert open_alarms(session) == []


def test_the_engine_hears_of_a_gerrit_that_fails_so_that_it_is_asked_less_often(world: World) -> None:
    world.gerrit.down = NotFound("away")
    with pytest.raises(NotFound):
        reconcile(world.ctx)


def test_settings_that_name_a_thing_twice_are_refused(world: World) -> None:
    raw = make_settings(world.folder).model_dump(mode="json", exclude_defaults=True)
    raw["jobs"] *= 2
    with pytest.raises(ValueError, match="more than once"):
        type(world.ctx.settings).model_validate(raw)


def test_what_waits_for_its_trees_in_a_pipeline_that_is_gone_is_ended(world: World) -> None:
    consider(world.ctx, world.gerrit.push().change)
    with world.database.session() as session:
        session.get_one(BuildsetRow, world.buildsets()[0].id).pipeline = "gone"
    repair(world.ctx)
    (buildset,) = world.buildsets()
    assert (buildset.state, buildset.result) == ("done", "ABORTED")
    assert "no longer has its pipeline" in buildset.reasons[0]


def test_what_an_operator_asked_for_a_closed_change_is_given_up_after_a_day(world: World) -> None:
    change = world.gerrit.push().change
    run_by_hand(world.ctx, str(change), pipeline="check", who="op")
    world.gerrit.end(change, "ABANDONED")
    consider(world.ctx, change)
    repair(world.ctx)
    assert world.buildsets()[0].state == "new"
    world.later(hours=25)
    repair(world.ctx)
    assert (world.buildsets()[0].state, world.buildsets()[0].result) == ("done", "ABORTED")
