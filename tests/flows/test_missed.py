"""What the stream did not tell is found, whoever was down and for how long, and it is counted."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from tests.flows.test_consider import hear
from tests.flows.world import World
from xenci.errors import Temporary
from xenci.gerrit.failures import GerritDown
from xenci.gerrit.port import ChangeView
from xenci.model.build import FoundBy
from xenci.services.consider import consider
from xenci.services.listener import keep
from xenci.services.missed import fetch_missed
from xenci.services.reconcile import LOOKED, reconcile
from xenci.store.marks import watermark
from xenci.store.tables import EventRow


def found_by(world: World) -> dict[int, str]:
    """Return how the runs of each change were found."""
    return {one.patchset.change.number: one.found_by for one in world.buildsets()}


def looked_at(world: World) -> datetime | None:
    with world.database.session() as session:
        row = watermark(session, LOOKED)
        return row.at if row else None


@pytest.fixture
def asked(world: World, monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """From when on Gerrit was asked for changes, each time."""
    moments: list[datetime] = []
    true = world.gerrit.open_changes

    def open_changes(projects: Sequence[str], *, since: datetime) -> Iterator[ChangeView]:
        moments.append(since)
        return true(projects, since=since)

    monkeypatch.setattr(world.gerrit, "open_changes", open_changes)
    return moments


def test_after_a_first_look_only_what_was_touched_since_is_asked_for(world: World, asked: list[datetime]) -> None:
    began = world.now
    reconcile(world.ctx)
    world.later(minutes=5)
    reconcile(world.ctx)
    gerrit = world.ctx.settings.gerrit
    assert asked == [began - gerrit.reconcile_age, began - gerrit.reconcile_margin]
    assert looked_at(world) == world.now


def test_an_outage_longer_than_any_age_is_caught_up_with(world: World) -> None:
    reconcile(world.ctx)
    world.later(minutes=1)
    change = world.gerrit.push().change
    world.later(days=100)
    reconcile(world.ctx)
    assert found_by(world) == {change: "reconcile"}


def test_a_look_that_did_not_come_to_its_end_moves_no_watermark(world: World) -> None:
    reconcile(world.ctx)
    before = looked_at(world)
    world.later(hours=9)
    world.gerrit.down = GerritDown("no answer")
    with pytest.raises(Temporary):
        reconcile(world.ctx)
    assert looked_at(world) == before


def test_a_change_that_always_fails_makes_a_wide_look_once_a_day(world: World, asked: list[datetime]) -> None:
    reconcile(world.ctx)
    narrow = world.now - world.ctx.settings.gerrit.reconcile_margin
    world.later(days=2)
    # no database takes it
    world.gerrit.push(files=("nova/a\0b.py",))
    well = world.gerrit.push().change
    for _ in range(3):
        reconcile(world.ctx)
        world.later(minutes=5)
    wide = world.now - timedelta(minutes=15) - world.ctx.settings.gerrit.reconcile_age
    assert asked[1:] == [wide, narrow, narrow], "the narrow look begins where all was well"
    assert found_by(world) == {well: "reconcile"}


def test_other_triggers_make_the_look_a_wide_one(world: World, asked: list[datetime]) -> None:
    reconcile(world.ctx)
    world.later(minutes=5)
    raw = world.ctx.settings.model_dump(mode="json", exclude_defaults=True)
    raw["pipelines"][0]["trigger"]["irrelevant_files"] = []
    world.ctx.settings = type(world.ctx.settings).model_validate(raw)
    reconcile(world.ctx)
    assert asked[-1] == world.now - world.ctx.settings.gerrit.reconcile_age


def test_what_the_stream_told_is_not_counted_as_missed(world: World) -> None:
    change = world.gerrit.push().change
    hear(world, "patchset-created", change)
    reconcile(world.ctx)
    assert found_by(world) == {change: "stream"}


def test_a_look_that_was_a_moment_before_the_event_missed_nothing(world: World) -> None:
    change = world.gerrit.push().change
    reconcile(world.ctx)
    assert found_by(world) == {change: "reconcile"}
    hear(world, "patchset-created", change)
    consider(world.ctx, change)
    assert found_by(world) == {change: "stream"}


def test_a_run_that_an_event_about_something_else_brought_to_light_was_missed(world: World) -> None:
    change = world.gerrit.push().change
    hear(world, "topic-changed", change)
    consider(world.ctx, change)
    assert found_by(world) == {change: "reconcile"}


def test_where_the_server_keeps_a_log_the_missed_events_come_from_it(world: World) -> None:
    world.gerrit.events_log = []
    reconcile(world.ctx)
    heard = world.gerrit.push().change
    keep(world.ctx, world.gerrit.events_log[-1], world.now)
    world.later(hours=3)
    missed = world.gerrit.push().change
    fetch_missed(world.ctx)
    assert world.nudges("reconcile") == [0], "the look follows in any case"
    reconcile(world.ctx)
    consider(world.ctx, heard)
    assert found_by(world) == {heard: "stream", missed: "events-log"}
    with world.database.session() as session:
        sources = {row.change: row.source for row in session.scalars(select(EventRow))}
    assert sources == {heard: "stream", missed: "events-log"}, "what the stream told is not kept twice"


def test_without_a_log_and_with_one_that_fails_the_look_does_it_alone(world: World) -> None:
    fetch_missed(world.ctx)
    assert world.nudges("reconcile") == [0]
    world.gerrit.events_log = []
    world.gerrit.down = GerritDown("no answer")
    fetch_missed(world.ctx)
    world.gerrit.down = None
    change = world.gerrit.push().change
    reconcile(world.ctx)
    assert found_by(world) == {change: "reconcile"}


def test_dropped_output_has_everything_looked_through(world: World) -> None:
    assert not keep(world.ctx, b'{"type":"dropped-output"}', world.now)
    assert world.nudges("missed") == [0]


def test_what_was_missed_is_found_however_it_is_mixed_with_what_was_heard(world: World) -> None:
    """Half of twenty pushes are heard; the rest is found by one look, each once."""
    reconcile(world.ctx)
    changes = []
    for turn in range(20):
        world.now += timedelta(seconds=20)
        changes.append(world.gerrit.push().change)
        if turn % 2:
            hear(world, "patchset-created", changes[-1])
    reconcile(world.ctx)
    reconcile(world.ctx)
    assert len(world.buildsets()) == 20
    kinds = list(found_by(world).values())
    assert (kinds.count(FoundBy.STREAM), kinds.count(FoundBy.RECONCILE)) == (10, 10)
