"""Whether a failing test is known or new is told from the rows of other changes."""

from datetime import timedelta

from tests.flows.world import World
from xenci.model.outcome import Fault, Result, Verdict
from xenci.services import outbox
from xenci.services.consider import consider
from xenci.services.prepare import prepare
from xenci.store.tables import BuildRow, BuildsetRow, TestRow

VERDICT = Verdict(result=Result.FAILURE, fault=Fault.UNKNOWN, reasons=("who knows",))


def ran(world: World, change: int, statuses: dict[str, str]) -> int:
    """Let a change run to its end with these tests; return the buildset."""
    consider(world.ctx, change)
    number = world.buildsets()[-1].id
    prepare(world.ctx, number)
    with world.database.session() as session:
        build = session.get_one(BuildRow, world.buildsets()[-1].builds[0].id)
        build.state, build.result, build.fault = "done", "FAILURE", "unknown"
        build.started_at, build.finished_at = world.now, world.now + timedelta(minutes=1)
        for test, status in statuses.items():
            session.add(TestRow(build_id=build.id, run="first", test_id=test, status=status))
    world.later(minutes=5)
    return number


def said(world: World, buildset: int) -> list[str]:
    """Return the lines of the comment that name failing tests."""
    with world.database.session() as session:
        row = session.get_one(BuildsetRow, buildset)
        text = outbox.message_of(world.ctx, session, row, row.builds, VERDICT)
    return [line for line in text.splitlines() if line.startswith("* a.B.")]


def test_a_test_that_failed_with_others_is_known_and_one_that_passed_is_new_and_told_first(world: World) -> None:
    ran(world, world.gerrit.push().change, {"a.B.known": "fail", "a.B.new": "success"})
    ran(world, world.gerrit.push().change, {"a.B.known": "fail", "a.B.new": "success", "a.B.skipped": "skip"})
    mine = ran(world, world.gerrit.push().change, dict.fromkeys(("a.B.known", "a.B.new", "a.B.skipped"), "fail"))
    assert said(world, mine) == [
        "* a.B.new (not compared with the tip; new: passed with 2 other changes in 7 days)",
        "* a.B.skipped (not compared with the tip)",
        "* a.B.known (not compared with the tip; known: failed with 2 other changes in 7 days)",
    ]


def test_what_was_long_ago_on_another_branch_or_on_the_change_itself_does_not_count(world: World) -> None:
    ran(world, world.gerrit.push().change, {"a.B.old": "fail"})
    world.later(days=8)
    settings = world.ctx.settings.model_dump(mode="json", exclude_defaults=True)
    settings["jobs"][0]["branches"] = [".*"]
    world.ctx.settings = type(world.ctx.settings).model_validate(settings)
    ran(world, world.gerrit.push(branch="master").change, {"a.B.old": "fail"})
    mine = world.gerrit.push().change
    ran(world, mine, {"a.B.old": "fail"})
    world.gerrit.push(number=mine)
    assert said(world, ran(world, mine, {"a.B.old": "fail"})) == ["* a.B.old (not compared with the tip)"]
