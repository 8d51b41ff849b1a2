"""A preparation that fails: an alarm, and ever longer pauses."""

import shutil
from datetime import timedelta

from tests.flows.town import BRANCH, DRIVER, NOVA, Town
from tests.flows.world import World
from tests.upstream import text
from xenci.gerrit.failures import GerritDown
from xenci.gerrit.mirror import locked
from xenci.services.consider import consider
from xenci.services.prepare import prepare


def pause(world: World) -> timedelta:
    """Return for how long a preparation is put off, and let its nudge go."""
    with world.database.session() as session:
        connection = session.connection()
        (left,) = connection.exec_driver_sql(
            "delete from procrastinate_jobs where task_name = 'prepare' returning scheduled_at - now()"
        ).scalars()
        assert isinstance(left, timedelta)
        return left


def test_what_cannot_be_prepared_is_an_alarm_and_is_tried_ever_less_often(town: Town) -> None:
    world = town.world
    change = town.push({DRIVER: text(l3="x")})
    town.repositories[NOVA].git("branch", "-m", BRANCH, "other")
    consider(world.ctx, change.change)
    (buildset,) = world.buildsets()
    with world.database.session() as session:
        session.connection().exec_driver_sql("delete from procrastinate_jobs")
    pauses = []
    for _ in range(30):
        prepare(world.ctx, buildset.id)
        pauses.append(round(pause(world).total_seconds()))
        world.later(seconds=pauses[-1])
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (5, 3600)
    assert "can be read by everybody" in town.alarms()[f"tree:{change.change}"]
    (buildset,) = world.buildsets()
    assert buildset.state == "new"
    assert "is tried again" in str(buildset.reasons)
    town.repositories[NOVA].git("branch", "-m", "other", BRANCH)
    prepare(world.ctx, buildset.id)
    assert (world.buildsets()[0].state, world.buildsets()[0].reasons, town.alarms()) == ("running", [], {})


def test_a_broken_mirror_is_an_alarm_until_it_is_removed(town: Town) -> None:
    change = town.push({DRIVER: text(l3="x")})
    mirror = town.world.ctx.mirrors.repository(NOVA)
    mirror.mkdir(parents=True)
    (mirror / "HEAD").write_text("ref: refs/heads/none\n")
    (mirror / "config").write_text("this is no configuration")
    consider(town.world.ctx, change.change)
    town.world.later(minutes=5)
    buildset = town.run(change)
    assert buildset.state == "new"
    assert "made anew" in town.alarms()[f"tree:{change.change}"]
    shutil.rmtree(mirror)
    prepare(town.world.ctx, buildset.id)
    assert (town.world.buildsets()[0].state, town.alarms()) == ("running", {})


def test_its_alarm_ends_with_the_change_and_with_the_run(town: Town) -> None:
    closed, renewed = town.push({DRIVER: text(l3="x")}), town.push({DRIVER: text(l3="y")})
    town.repositories[NOVA].git("branch", "-m", BRANCH, "other")
    for change in (closed, renewed):
        town.run(change)
    assert town.alarms() == {}, "it may be on its way"
    town.world.later(minutes=2)
    for buildset in town.world.buildsets():
        prepare(town.world.ctx, buildset.id)
    assert list(town.alarms()) == [f"tree:{closed.change}", f"tree:{renewed.change}"]
    town.world.gerrit.end(closed.change, "ABANDONED")
    consider(town.world.ctx, closed.change)
    assert list(town.alarms()) == [f"tree:{renewed.change}"]
    town.world.gerrit.push(number=renewed.change)
    consider(town.world.ctx, renewed.change)
    assert town.alarms() == {}


def test_what_only_a_person_can_mend_is_an_alarm_at_once(town: Town) -> None:
    carry = {"project": NOVA, "branch": BRANCH, "series": str(town.world.folder / "carry")}
    town.configure(carry=[carry])
    (town.world.folder / "carry").mkdir()
    (town.world.folder / "carry" / "0001-gone.patch").symlink_to("/nowhere")
    change = town.push({DRIVER: text(l3="x")})
    town.run(change)
    assert town.alarms()[f"tree:{change.change}"].startswith("Check `carry` of the job")


def test_a_gerrit_that_is_away_for_a_moment_is_no_alarm_and_is_asked_again_soon(town: Town) -> None:
    world, change = town.world, town.push({DRIVER: text(l3="x")})
    consider(world.ctx, change.change)
    (buildset,) = world.buildsets()
    with world.database.session() as session:
        session.connection().exec_driver_sql("delete from procrastinate_jobs")
    world.gerrit.down = GerritDown("refused")
    prepare(world.ctx, buildset.id)
    assert (round(pause(world).total_seconds()), town.alarms()) == (5, {})
    world.later(hours=5)
    prepare(world.ctx, buildset.id)
    assert (round(pause(world).total_seconds()), list(town.alarms())) == (120, [f"tree:{change.change}"])
    world.gerrit.down = None
    prepare(world.ctx, buildset.id)
    assert (world.buildsets()[0].state, town.alarms()) == ("running", {})


def test_gerrit_is_not_asked_while_another_one_works_in_the_mirror(town: Town) -> None:
    world, change = town.world, town.push({DRIVER: text(l3="x")})
    consider(world.ctx, change.change)
    (buildset,) = world.buildsets()
    with world.database.session() as session:
        session.connection().exec_driver_sql("delete from procrastinate_jobs")
    world.gerrit.down = GerritDown("it was asked")
    with locked(world.folder / "mirrors", NOVA, patience=timedelta()):
        prepare(world.ctx, buildset.id)
        assert (world.buildsets()[0].state, world.buildsets()[0].reasons) == ("new", [])
        assert (round(pause(world).total_seconds()), town.alarms()) == (3, {})
    world.gerrit.down = None
    prepare(world.ctx, buildset.id)
    assert world.buildsets()[0].state == "running"
