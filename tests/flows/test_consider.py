"""From what Gerrit shows to buildsets and builds, once for each wish."""

import json

import pytest
from sqlalchemy import select, text

from tests.contracts.fake_gerrit import REVIEWER, event
from tests.flows.world import World
from xenci.errors import NotFound
from xenci.gerrit.trees import CarryConflict, MergeConflict
from xenci.model.change import Account
from xenci.services.byhand import run_by_hand
from xenci.services.consider import consider
from xenci.services.listener import keep
from xenci.services.prepare import prepare
from xenci.services.reconcile import reconcile
from xenci.store.marks import open_alarms, raise_alarm
from xenci.store.tables import CommentRow, EventRow, PatchsetRow


def hear(world: World, kind: str, number: int) -> None:
    line = json.dumps(event(kind, world.gerrit.changes[number].patchsets[-1], at=world.now)).encode()
    keep(world.ctx, line, world.now)


def outcomes(world: World) -> list[str | None]:
    with world.database.session() as session:
        return [row.outcome for row in session.scalars(select(EventRow).order_by(EventRow.id))]


def test_a_patchset_is_one_buildset_however_often_it_is_heard_and_seen(world: World) -> None:
    change = world.gerrit.push().change
    for _ in range(3):
        hear(world, "patchset-created", change)
        consider(world.ctx, change)
    reconcile(world.ctx)
    (buildset,) = world.buildsets()
    assert buildset.trigger_key == f"{change},1:check:upload"
    assert outcomes(world)[0] == f"Started buildset {buildset.id}."
    assert set(outcomes(world)[1:]) == {"Its run exists already."}


def test_one_waiting_look_serves_any_number_of_events(world: World) -> None:
    change = world.gerrit.push().change
    for _ in range(5):
        hear(world, "patchset-created", change)
    assert world.nudges("consider") == [change]


def test_what_was_pushed_while_nobody_listened_is_found(world: World) -> None:
    change = world.gerrit.push().change
    reconcile(world.ctx)
    (buildset,) = world.buildsets()
    assert buildset.patchset.change.number == change
    assert outcomes(world) == [f"Found by looking at the change: started buildset {buildset.id}."]
    assert buildset.found_by == "reconcile"


def test_documentation_is_not_run_and_its_patchset_says_why(world: World) -> None:
    change = world.gerrit.push(files=("doc/source/index.rst",)).change
    consider(world.ctx, change)
    assert world.buildsets() == []
    with world.database.session() as session:
        row = session.scalars(select(PatchsetRow)).one()
    assert row.not_run is not None
    assert row.not_run.startswith("Only documentation files changed")


def test_a_newer_patchset_withdraws_the_older_ones_run(world: World) -> None:
    change = world.gerrit.push().change
    consider(world.ctx, change)
    (old,) = world.buildsets()
    prepare(world.ctx, old.id)
    world.later(minutes=1)
    world.gerrit.push(number=change)
    consider(world.ctx, change)
    old, new = world.buildsets()
    assert (old.state, old.result) == ("done", "ABORTED")
    assert [build.result for build in old.builds] == ["ABORTED"]
    assert (new.state, new.patchset.number) == ("new", 2)
    assert world.reports() == []


def test_a_recheck_starts_a_second_run_and_is_counted_once(world: World) -> None:
    change = world.gerrit.push().change
    consider(world.ctx, change)
    world.later(minutes=5)
    world.gerrit.comment(change, "recheck please", patchset_level=True)
    consider(world.ctx, change)
    reconcile(world.ctx)
    first, second = world.buildsets()
    assert (first.trigger, second.trigger) == ("patchset", "recheck")
    assert second.asked_by == REVIEWER.username
    with world.database.session() as session:
        assert [row.kind for row in session.scalars(select(CommentRow))] == ["recheck"]


def test_another_cis_recheck_is_neither_run_nor_counted(world: World) -> None:
    change = world.gerrit.push().change
    consider(world.ctx, change)
    world.later(minutes=5)
    world.gerrit.comment(change, "recheck", author=Account(username="zuul", name="Zuul"))
    consider(world.ctx, change)
    assert len(world.buildsets()) == 1
    with world.database.session() as session:
        assert session.scalars(select(CommentRow)).all() == []


def test_a_bad_line_costs_nothing(world: World) -> None:
    change = world.gerrit.push().change
    keep(world.ctx, b'{"type": "patchset-created", "change"', world.now)
    keep(world.ctx, b"\xff\x00", world.now)
    hear(world, "patchset-created", change)
    assert world.nudges("consider") == [change]


def test_an_event_about_a_change_that_is_gone_is_answered(world: World) -> None:
    change = world.gerrit.push().change
    hear(world, "patchset-created", change)
    world.gerrit.down = NotFound("change 1")
    consider(world.ctx, change)
    (outcome,) = outcomes(world)
    assert outcome is not None
    assert outcome.startswith("Gerrit does not show the change")


@pytest.mark.parametrize("end", ["gone", "abandoned"])
def test_the_alarms_of_a_change_end_with_it(world: World, end: str) -> None:
    change, other = world.gerrit.push().change, world.gerrit.push().change
    consider(world.ctx, change)
    keys = ["carry:openstack/nova:stable/2025.1:{}", "vote:{}", "tree:{}"]
    with world.database.session() as session:
        for key in keys:
            for number in (change, other):
                raise_alarm(session, key.format(number), brief="it stands", at=world.now)
    if end == "gone":
        world.gerrit.changes.pop(change)
    else:
        world.gerrit.end(change, "ABANDONED")
    consider(world.ctx, change)
    with world.database.session() as session:
        assert sorted(alarm.key for alarm in open_alarms(session)) == sorted(key.format(other) for key in keys)


def test_a_change_that_gerrit_has_but_does_not_find_is_looked_at_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index of a Gerrit that crashed lacks the last minutes; by its project it finds the change itself."""
    change = world.gerrit.push().change
    consider(world.ctx, change)
    world.later(minutes=1)
    world.gerrit.comment(change, "recheck")
    monkeypatch.setattr(world.gerrit, "open_changes", lambda *_, **__: iter(()))
    reconcile(world.ctx)
    assert world.nudges("consider") == [change]
    consider(world.ctx, change)
    assert [buildset.trigger for buildset in world.buildsets()] == ["patchset", "recheck"]


def test_a_change_that_gerrit_no_longer_shows_is_not_asked_for_again(world: World) -> None:
    change = world.gerrit.push().change
    consider(world.ctx, change)
    world.gerrit.changes.clear()
    reconcile(world.ctx)
    assert world.nudges("consider") == [change]
    consider(world.ctx, change)
    (buildset,) = world.buildsets()
    assert buildset.result == "ABORTED"
    with world.database.session() as session:
        session.execute(text("delete from procrastinate_jobs"))
    reconcile(world.ctx)
    assert world.nudges("consider") == []


def test_a_conflict_with_the_tip_ends_without_a_word(world: World) -> None:
    world.mirrors.outcome = MergeConflict(tip_sha="5" * 40, files=("nova/utils.py",))
    consider(world.ctx, world.gerrit.push().change)
    prepare(world.ctx, world.buildsets()[0].id)
    (buildset,) = world.buildsets()
    assert (buildset.result, buildset.builds, buildset.reports) == ("MERGE_CONFLICT", [], [])
    assert "nova/utils.py" in str(buildset.reasons)


def test_a_conflict_with_the_carry_is_our_alarm(world: World) -> None:
    world.mirrors.outcome = CarryConflict(
        tip_sha="5" * 40, patch="0003-boot.patch", files=("nova/virt/driver.py",), on_tip=False
    )
    change = world.gerrit.push().change
    consider(world.ctx, change)
    prepare(world.ctx, world.buildsets()[0].id)
    (buildset,) = world.buildsets()
    assert (buildset.result, buildset.fault, buildset.reports) == ("CARRY_CONFLICT", "infra", [])
    with world.database.session() as session:
        (alarm,) = open_alarms(session)
    assert alarm.key == f"carry:openstack/nova:stable/2025.1:{change}"
    assert "nova/virt/driver.py" in alarm.detail


def test_a_branch_without_driver_is_not_applicable(world: World) -> None:
    consider(world.ctx, world.gerrit.push(branch="master").change)
    prepare(world.ctx, world.buildsets()[0].id)
    (buildset,) = world.buildsets()
    assert (buildset.result, buildset.builds) == ("NOT_APPLICABLE", [])
    assert world.mirrors.asked == []


def test_an_operator_runs_a_change_whatever_ran_before(world: World) -> None:
    change = world.gerrit.push().change
    consider(world.ctx, change)
    made = run_by_hand(world.ctx, f"{change},1", pipeline="", who="op")
    assert [one.trigger for one in made] == ["operator"]
    assert len(world.buildsets()) == 2
