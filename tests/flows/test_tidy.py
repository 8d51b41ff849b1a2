"""What is old is let go of, and nothing else."""

from datetime import timedelta

from sqlalchemy import select

from tests.flows.world import World
from xenci.services.consider import consider
from xenci.services.prepare import prepare
from xenci.services.tick import tick
from xenci.services.tidy import EVENTS_KEPT, TREES_KEPT, tidy
from xenci.store.marks import open_alarms, raise_alarm
from xenci.store.tables import ArtifactRow, BuildRow, EventRow


def ended_build(world: World) -> BuildRow:
    """A build with a log, whose buildset has ended now."""
    consider(world.ctx, world.gerrit.push().change)
    buildset = world.buildsets()[-1]
    prepare(world.ctx, buildset.id)
    with world.database.session() as session:
        build = session.get_one(BuildRow, world.buildsets()[-1].builds[0].id)
        world.ctx.artifacts.put(build.uuid, "logs/nova.log", b"started")
        session.add(ArtifactRow(build_id=build.id, name="logs/nova.log", size=7))
        build.state = build.buildset.state = "done"
        build.finished_at = build.buildset.finished_at = world.now
        return build


def logs(world: World, build: BuildRow) -> tuple[int, int]:
    """Return how many files and how many rows a build has."""
    with world.database.session() as session:
        rows = list(session.scalars(select(ArtifactRow).where(ArtifactRow.build_id == build.id)))
    return len(world.ctx.artifacts.list(build.uuid)), len(rows)


def test_logs_are_kept_as_long_as_the_configuration_says_and_no_longer(world: World) -> None:
    keep = world.ctx.settings.artifacts.keep
    old = ended_build(world)
    world.now += timedelta(days=1)
    young = ended_build(world)
    world.now += keep - timedelta(hours=1)
    tidy(world.ctx)
    assert logs(world, old) == (0, 0)
    assert logs(world, young) == (1, 1)


def test_trees_of_what_runs_and_of_what_ended_lately_stay(world: World) -> None:
    ended_build(world)
    world.now += TREES_KEPT + timedelta(hours=1)
    recent = ended_build(world)
    consider(world.ctx, world.gerrit.push().change)
    runs = world.buildsets()[-1]
    prepare(world.ctx, runs.id)
    world.mirrors.kept.add("buildset-999999-gone")
    tidy(world.ctx)
    assert world.mirrors.kept == {f"buildset-{recent.buildset_id}-{recent.job}", f"buildset-{runs.id}-{recent.job}"}


def test_an_old_event_goes_once_it_was_answered(world: World) -> None:
    with world.database.session() as session:
        for outcome in (None, "Its run exists already."):
            session.add(EventRow(received_at=world.now, source="stream", type="x", payload={}, outcome=outcome))
    world.now += EVENTS_KEPT + timedelta(hours=1)
    tidy(world.ctx)
    with world.database.session() as session:
        assert [row.outcome for row in session.scalars(select(EventRow))] == [None]


def test_the_tick_asks_for_it_once_an_hour(world: World) -> None:
    tick(world.ctx)
    assert world.nudges("tidy") == [0]
    tidy(world.ctx)
    with world.database.session() as session:
        session.connection().exec_driver_sql("delete from procrastinate_jobs")
    tick(world.ctx)
    assert world.nudges("tidy") == []
    world.later(minutes=61)
    tick(world.ctx)
    assert world.nudges("tidy") == [0]


def test_an_alarm_about_a_step_closes_when_its_row_is_gone(world: World) -> None:
    with world.database.session() as session:
        raise_alarm(session, "step:prepare", brief="A step does not succeed", at=world.now)
        raise_alarm(session, "provider:ca:quota", brief="full", at=world.now)
    world.later(minutes=4)
    tick(world.ctx)
    with world.database.session() as session:
        assert len(open_alarms(session)) == 2
    world.later(minutes=2)
    tick(world.ctx)
    with world.database.session() as session:
        assert [alarm.key for alarm in open_alarms(session)] == ["provider:ca:quota"]
