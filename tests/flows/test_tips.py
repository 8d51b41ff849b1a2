"""What conflicts with a tip is tried again when the tip moves, and is told to operators meanwhile."""

import threading
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text as sql

from tests.flows.town import BRANCH, DRIVER, NOVA, TEMPEST, Town
from tests.upstream import text
from xenci.dashboard.app import create_app
from xenci.services.consider import consider
from xenci.services.listener import keep
from xenci.services.prepare import prepare
from xenci.services.reconcile import reconcile
from xenci.services.record import lock_change, save_patchset
from xenci.services.renew import renew


def test_a_conflict_is_tried_again_when_the_tip_moves_and_only_then(town: Town) -> None:
    change = town.push({DRIVER: text(l3="change")})
    town.move({DRIVER: text(l3="tip")})
    first = town.run(change)
    assert (first.result, town.conflicting()) == ("MERGE_CONFLICT", [change.change])
    with TestClient(create_app(town.world.ctx.settings, town.world.database, lambda: town.world.now)) as client:
        shown = client.get("/health").text.partition('aria-label="Changes that do not merge"')[2]
    assert f"/change/{change.change}#ps1" in shown
    assert DRIVER in shown
    for _ in range(3):
        renew(town.world.ctx)
    assert len(town.world.buildsets()) == 1, "the tip is where it was"

    tip = town.move({"README": "elsewhere\n"})
    for _ in range(3):
        renew(town.world.ctx)
    _, second = town.world.buildsets()
    assert (second.trigger, second.trigger_key) == ("tip", f"{change.label}:check:tip:{tip}:{first.id}")
    assert second.found_by == "renew"
    prepare(town.world.ctx, second.id)
    renew(town.world.ctx)
    _, second = town.world.buildsets()
    assert (second.state, second.result, second.tip_sha) == ("done", "MERGE_CONFLICT", tip)

    town.world.later(hours=1)
    tip = town.move({DRIVER: text()})
    renew(town.world.ctx)
    _, again = town.world.buildsets()
    assert (again.id, again.state, again.result, again.conflict) == (second.id, "new", None, None)
    assert (again.trigger_key, again.triggered_at) == (f"{change.label}:check:tip:{tip}:{second.id}", town.world.now)
    assert town.conflicting() == []
    prepare(town.world.ctx, again.id)
    _, again = town.world.buildsets()
    assert (again.state, again.reasons) == ("running", [])
    assert town.file(again.builds[0].tree_sha) == text(l3="change")
    assert town.world.reports() == []


def test_a_conflict_is_let_go_with_the_change_or_its_patch_set(town: Town) -> None:
    closed, renewed = town.push({DRIVER: text(l3="one")}), town.push({DRIVER: text(l3="two")})
    town.move({DRIVER: text(l3="tip")})
    for change in (closed, renewed):
        assert town.run(change).result == "MERGE_CONFLICT"
    assert town.conflicting() == [renewed.change, closed.change]
    town.world.gerrit.end(closed.change, "ABANDONED")
    consider(town.world.ctx, closed.change)
    town.run(town.push({DRIVER: text(l21="two")}, number=renewed.change))
    assert town.conflicting() == []
    before = len(town.world.buildsets())
    town.move({"README": "elsewhere\n"})
    renew(town.world.ctx)
    assert len(town.world.buildsets()) == before


def test_a_conflict_of_a_needed_change_follows_the_tip_that_it_conflicts_with(town: Town) -> None:
    town.configure(node={"trees": {TEMPEST: "/opt/stack/tempest"}})
    theirs = town.push({DRIVER: text(l3="theirs")}, project=TEMPEST)
    town.move({DRIVER: text(l3="tip")}, project=TEMPEST)
    buildset = town.run(town.push({DRIVER: text(l21="change")}, depends_on=[theirs]))
    assert buildset.result == "MERGE_CONFLICT"
    assert f"change {theirs.change}, which it needs, does not merge" in str(buildset.reasons)
    town.move({"README": "nova moves\n"})
    renew(town.world.ctx)
    assert len(town.world.buildsets()) == 1
    town.move({DRIVER: text()}, project=TEMPEST)
    renew(town.world.ctx)
    assert len(town.world.buildsets()) == 2


def test_a_series_that_does_not_fit_is_tried_again_on_the_next_tip_too(town: Town, tmp_path: Path) -> None:
    repository = town.repositories[NOVA]
    repository.patches(tmp_path / "carry", {DRIVER: text(l20="xen")}, back_to=BRANCH)
    carry = {"project": NOVA, "branch": BRANCH, "series": str(tmp_path / "carry")}
    town.configure(carry=[carry])
    town.move({DRIVER: text(l20="not xen")})
    change = town.push({"README": "x\n"})
    assert town.run(change).result == "CARRY_CONFLICT"
    assert list(town.alarms()) == [f"carry:{NOVA}:{BRANCH}:tip"]
    renew(town.world.ctx)
    assert len(town.world.buildsets()) == 1
    town.move({DRIVER: text()})
    renew(town.world.ctx)
    _, again = town.world.buildsets()
    prepare(town.world.ctx, again.id)
    assert town.world.buildsets()[1].state == "running"
    assert town.alarms() == {}


def test_the_alarm_of_another_projects_series_ends_when_it_fits_again(town: Town, tmp_path: Path) -> None:
    town.repositories[TEMPEST].patches(tmp_path / "carry", {DRIVER: text(l20="xen")})
    carry = {"project": TEMPEST, "branch": "master", "series": str(tmp_path / "carry")}
    town.configure(node={"trees": {TEMPEST: "/opt/stack/tempest"}}, carry=[carry])
    town.move({DRIVER: text(l20="not xen")}, project=TEMPEST)
    theirs = town.push({"README": "theirs\n"}, project=TEMPEST)
    change = town.push({DRIVER: text(l21="change")}, depends_on=[theirs])
    assert town.run(change).result == "CARRY_CONFLICT"
    assert list(town.alarms()) == [f"carry:{TEMPEST}:master:tip"]
    town.move({DRIVER: text()}, project=TEMPEST)
    renew(town.world.ctx)
    prepare(town.world.ctx, town.world.buildsets()[-1].id)
    assert town.world.buildsets()[-1].state == "running"
    assert town.alarms() == {}


def test_so_many_are_tried_again_at_once_and_the_others_at_the_next_look(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xenci.services.renew.MOST", 2)
    changes = [town.push({DRIVER: text(l3=f"change {n}")}) for n in range(3)]
    town.move({DRIVER: text(l3="tip")})
    for change in changes:
        town.run(change)
    town.move({"README": "elsewhere\n"})
    renew(town.world.ctx)
    assert len(town.world.buildsets()) == 3 + 2
    renew(town.world.ctx)
    assert len(town.world.buildsets()) == 3 + 3


def test_a_moved_branch_of_ours_and_each_look_through_changes_ask_for_it(town: Town) -> None:
    world = town.world
    moved = b'{"type":"ref-updated","refUpdate":{"oldRev":"' + b"a" * 40 + b'","newRev":"' + b"b" * 40
    for project, ref in (("openstack/swift", "heads/master"), (NOVA, "changes/01/1/meta"), (NOVA, "tags/1")):
        keep(world.ctx, moved + f'","refName":"refs/{ref}","project":"{project}"}}}}'.encode(), world.now)
    assert world.nudges("renew") == []
    keep(world.ctx, moved + f'","refName":"refs/heads/{BRANCH}","project":"{NOVA}"}}}}'.encode(), world.now)
    assert world.nudges("renew") == [0]
    with world.database.session() as session:
        session.connection().exec_driver_sql("delete from procrastinate_jobs")
    reconcile(world.ctx)
    assert world.nudges("renew") == [0]


def test_a_project_that_cannot_be_asked_is_an_alarm_of_its_own_until_it_answers(town: Town) -> None:
    change = town.push({DRIVER: text(l3="change")})
    town.move({DRIVER: text(l3="tip")})
    town.run(change)
    place = town.repositories[NOVA].folder
    for _ in range(2):
        place.rename(place.with_name("away"))
        for _ in range(3):
            renew(town.world.ctx)
        assert list(town.alarms()) == [f"tips:{NOVA}"]
        place.with_name("away").rename(place)
        renew(town.world.ctx)
        assert town.alarms() == {}
    place.rename(place.with_name("away"))
    renew(town.world.ctx)
    town.world.gerrit.end(change.change, "ABANDONED")
    consider(town.world.ctx, change.change)
    renew(town.world.ctx)
    assert town.alarms() == {}, "nothing conflicts there any more"


def test_a_tip_that_comes_back_is_tried_whatever_was_tried_on_it_before(town: Town) -> None:
    world, change = town.world, town.push({DRIVER: text(l3="change")})
    one = town.move({DRIVER: text(l3="one")})
    town.run(change)
    town.move({"README": "two\n"})
    two = town.repositories[NOVA].git("rev-parse", "HEAD")
    renew(world.ctx)
    prepare(world.ctx, world.buildsets()[-1].id)
    world.later(minutes=1)
    world.gerrit.comment(change.change, "recheck")
    town.run(change)
    for tip in (one, two, one, two):
        town.repositories[NOVA].git("reset", "-q", "--hard", tip)
        renew(world.ctx)
        last = world.buildsets()[-1]
        assert (last.trigger, last.state) == ("tip", "new")
        prepare(world.ctx, last.id)
        assert world.buildsets()[-1].tip_sha == tip
    assert [one.trigger for one in world.buildsets()] == ["patchset", "tip", "recheck", "tip"]


def test_a_patch_set_that_is_written_down_at_this_moment_ends_the_one_before(town: Town) -> None:
    world, change = town.world, town.push({DRIVER: text(l3="change")})
    town.move({DRIVER: text(l3="tip")})
    town.run(change)
    town.move({"README": "elsewhere\n"})
    newer = town.push({DRIVER: text(l3="better")}, number=change.change)
    waits = sql("select count(*) from pg_locks where locktype = 'advisory' and not granted")
    other = threading.Thread(target=renew, args=(world.ctx,), daemon=True)
    with world.database.session() as session:
        lock_change(session, change.change)
        save_patchset(session, newer)
        other.start()
        while other.is_alive() and not session.execute(waits).scalar():
            other.join(0.02)
    other.join()
    assert len(world.buildsets()) == 1
