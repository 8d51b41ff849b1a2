"""An operator runs again what was ours or cancelled: once, and nothing that runs."""

import json

import pytest

from tests.flows.test_cli import Call, call
from tests.flows.world import World
from xenci.services.byhand import cancel_by_hand
from xenci.services.consider import consider
from xenci.services.prepare import prepare
from xenci.services.requeue import CannotRequeue, requeue
from xenci.store.tables import ActionRow, BuildRow, BuildsetRow

__all__ = ["call"]


@pytest.fixture
def build(world: World) -> int:
    """A build that waits for a node."""
    consider(world.ctx, world.gerrit.push().change)
    (buildset,) = world.buildsets()
    prepare(world.ctx, buildset.id)
    return world.buildsets()[0].builds[0].id


def end(world: World, build: int, result: str, fault: str) -> None:
    with world.database.session() as session:
        row = session.get_one(BuildRow, build)
        row.state, row.result, row.fault = "done", result, fault
        row.buildset.state, row.buildset.result, row.buildset.fault = "done", result, fault


def again(world: World, build: int) -> tuple[BuildsetRow, bool]:
    with world.database.session() as session:
        return requeue(session, session.get_one(BuildRow, build), {"check"}, who="op", reason="why", at=world.now)


@pytest.mark.parametrize(
    ("result", "fault"), [("RETRY_LIMIT", "infra"), ("NODE_FAILURE", "infra"), ("ABORTED", "none")]
)
def test_what_ended_by_our_fault_or_was_cancelled_is_run_anew(
    world: World, build: int, result: str, fault: str
) -> None:
    end(world, build, result, fault)
    made, is_new = again(world, build)
    assert is_new
    assert made.id in world.nudges("prepare")
    prepare(world.ctx, made.id)
    old, new = world.buildsets()
    assert (new.trigger, new.found_by, new.asked_by) == ("operator", "operator", "op")
    assert new.patchset_id == old.patchset_id
    assert [one.state for one in new.builds] == ["queued"]
    assert (old.state, old.result) == ("done", result), "what was is left as it was"


def test_asked_twice_it_is_one_run_and_after_its_end_another(world: World, build: int) -> None:
    end(world, build, "RETRY_LIMIT", "infra")
    made, _ = again(world, build)
    same, is_new = again(world, build)
    assert (same.id, is_new) == (made.id, False)
    with world.database.session() as session:
        session.get_one(BuildsetRow, made.id).state = "done"
    assert again(world, build)[1]


@pytest.mark.parametrize(("result", "fault"), [("SUCCESS", "none"), ("FAILURE", "change"), ("FAILURE", "unknown")])
def test_a_verdict_stands(world: World, build: int, result: str, fault: str) -> None:
    end(world, build, result, fault)
    with pytest.raises(CannotRequeue, match=r"no fault of ours\. xenci build run 1,1 runs"):
        again(world, build)


def test_what_waits_or_runs_is_refused_with_a_sentence(world: World, build: int) -> None:
    with pytest.raises(CannotRequeue, match="waits for a node"):
        again(world, build)
    world.give_node(build)
    with pytest.raises(CannotRequeue, match=rf"build {build} runs\. end it first: xenci build cancel {build}"):
        again(world, build)
    with world.database.session() as session:
        row = session.get_one(BuildRow, build)
        row.state, row.result, row.fault = "done", "NODE_FAILURE", "infra"
    with pytest.raises(CannotRequeue, match="another attempt"):
        again(world, build)


def test_the_command_tells_the_new_run_and_the_audit_who_asked(world: World, build: int, call: Call) -> None:
    with world.database.session() as session:
        cancel_by_hand(session, session.get_one(BuildRow, build), who="op", reason="")
    told = call("build", "requeue", str(build), "-r", "the cloud is well again")
    assert told.exit_code == 0, told.output
    assert "buildset 2: http://127.0.0.1/buildset/" in told.stdout
    assert "it waits or runs already as buildset 2" in call("build", "requeue", str(build)).stdout
    with world.database.session() as session:
        asked = [row for row in session.query(ActionRow) if "requeue" in row.what]
        assert [(row.what, row.reason) for row in asked] == [(f"build requeue {build}", "the cloud is well again")]


def test_the_queue_is_told_in_its_order_with_reasons(world: World, build: int, call: Call) -> None:
    world.later(minutes=30)
    consider(world.ctx, world.gerrit.push().change)
    prepare(world.ctx, world.buildsets()[1].id)
    world.later(minutes=1)
    world.gerrit.comment(1, "recheck")
    consider(world.ctx, 1)
    prepare(world.ctx, world.buildsets()[2].id)
    consider(world.ctx, world.gerrit.push().change)
    told = json.loads(call("build", "queue", "--json").stdout)
    # older than two hours by the true clock: who waited longest is first
    assert [(one["place"], one["change"]) for one in told["waiting"]] == [(1, "1,1"), (2, "2,1"), (3, "1,1")]
    assert told["waiting"][0]["why"] == "No node of xen is ready; it is the next."
    assert told["waiting"][2]["why"] == "No node of xen is ready; 2 builds are before it."
    assert [one["change"] for one in told["preparing"]] == ["3,1"]
    assert "No node of xen is ready" in call("build", "queue").stdout


def test_the_runs_of_each_day_are_counted_by_how_they_were_found(world: World, build: int, call: Call) -> None:
    told = json.loads(call("event", "missed", "--json", "--days", "3650").stdout)
    none = {"stream": 0, "events_log": 0, "operator": 0, "renew": 0}
    assert told == [{"day": "2026-03-01", **none, "reconcile": 1, "missed": 1}]
    assert "2026-03-01" in call("event", "missed", "--days", "3650").stdout


def test_an_attempt_that_was_followed_by_another_is_not_run_again(world: World, build: int) -> None:
    end(world, build, "ERROR", "infra")
    with world.database.session() as session:
        old = session.get_one(BuildRow, build)
        session.add(
            BuildRow(
                buildset_id=old.buildset_id,
                job=old.job,
                attempt=2,
                uuid="2" * 32,
                state="done",
                result="SUCCESS",
                fault="none",
                carry=[],
            )
        )
    with pytest.raises(CannotRequeue, match="had another attempt"):
        again(world, build)


def test_a_run_of_a_pipeline_that_is_gone_is_not_run_again(world: World, build: int) -> None:
    end(world, build, "ABORTED", "none")
    with world.database.session() as session:
        session.get_one(BuildRow, build).buildset.pipeline = "gone"
    with pytest.raises(CannotRequeue, match="no longer has the pipeline gone"):
        again(world, build)
