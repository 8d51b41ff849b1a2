"""Patch sets that change no code take over a verdict, where the pipeline says so."""

import pytest

from tests.flows.world import World, make_settings
from xenci.services.advance.judge import settle
from xenci.services.consider import consider
from xenci.services.prepare import prepare
from xenci.services.report import report
from xenci.store.tables import BuildRow, BuildsetRow


@pytest.fixture
def copying(world: World) -> World:
    raw = make_settings(world.folder).model_dump(mode="json", exclude_defaults=True)
    raw["pipelines"][0]["trigger"]["copy_verdict"] = ["NO_CODE_CHANGE", "TRIVIAL_REBASE"]
    world.ctx.settings = type(world.ctx.settings).model_validate(raw)
    return world


def judged(world: World, result: str, fault: str) -> int:
    """A change whose first patch set was run, with this end; return its number."""
    change = world.gerrit.push().change
    consider(world.ctx, change)
    first = world.buildsets()[-1]
    prepare(world.ctx, first.id)
    with world.database.session() as session:
        buildset = session.get_one(BuildsetRow, first.id)
        build = session.get_one(BuildRow, buildset.builds[0].id)
        build.state, build.result, build.fault, build.reasons = "done", result, fault, ["It was tried."]
        build.started_at = build.finished_at = world.now
        settle(world.ctx, session, buildset)
    return change


def push(world: World, change: int, kind: str) -> BuildsetRow:
    """Upload another patch set, and prepare its run."""
    world.later(minutes=1)
    world.gerrit.push(number=change, kind=kind)
    consider(world.ctx, change)
    prepare(world.ctx, world.buildsets()[-1].id)
    return world.buildsets()[-1]


@pytest.mark.parametrize(("result", "fault", "vote"), [("SUCCESS", "none", 1), ("FAILURE", "change", -1)])
def test_a_new_message_keeps_the_vote_and_links_the_run(copying: World, result: str, fault: str, vote: int) -> None:
    change = judged(copying, result, fault)
    (first,) = copying.buildsets()
    copied = push(copying, change, "NO_CODE_CHANGE")
    assert (copied.state, copied.result, copied.vote) == ("done", result, vote)
    assert copied.builds == []
    report(copying.ctx, copied.reports[0].id)
    posted = copying.reports()[-1]
    assert (posted.state, posted.vote) == ("posted", vote)
    assert "the verdict on patch set 1 is taken over" in posted.message
    assert first.builds[0].uuid in posted.message
    assert copied.uuid in posted.message


def test_the_verdict_is_handed_on_through_several_patch_sets(copying: World) -> None:
    change = judged(copying, "SUCCESS", "none")
    push(copying, change, "NO_CODE_CHANGE")
    third = push(copying, change, "TRIVIAL_REBASE")
    assert (third.result, third.vote) == ("SUCCESS", 1)
    assert "on patch set 1" in third.reasons[0]
    fourth = push(copying, change, "REWORK")
    assert (fourth.state, len(fourth.builds)) == ("running", 1)


@pytest.mark.parametrize(("result", "fault"), [("FAILURE", "unknown"), ("RETRY_LIMIT", "infra")])
def test_what_is_no_verdict_on_the_change_is_run(copying: World, result: str, fault: str) -> None:
    change = judged(copying, result, fault)
    assert push(copying, change, "NO_CODE_CHANGE").state == "running"


def test_a_recheck_of_it_is_run(copying: World) -> None:
    change = judged(copying, "SUCCESS", "none")
    push(copying, change, "NO_CODE_CHANGE")
    copying.later(minutes=1)
    copying.gerrit.comment(change, "recheck")
    consider(copying.ctx, change)
    recheck = copying.buildsets()[-1]
    assert recheck.trigger == "recheck"
    prepare(copying.ctx, recheck.id)
    assert copying.buildsets()[-1].state == "running"


def test_without_the_option_every_patch_set_is_run(world: World) -> None:
    change = judged(world, "SUCCESS", "none")
    assert push(world, change, "NO_CODE_CHANGE").state == "running"
