"""The pages of a build, its tests, its buildset and its change."""

from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import delete, event

from tests.browser.conftest import World
from tests.browser.reading import Page, read
from tests.browser.sample_builds import CARRY, CAUSE
from xenci.clock import now
from xenci.dashboard import queries_builds
from xenci.dashboard.app import create_app
from xenci.store.tables import TestRow


def test_a_failed_build_shows_test_traceback_and_libvirts_own_words_first(world: World) -> None:
    page = read(world, world.build("bad"))
    before, _, after = page.words.partition("Failed tests (1) Tests Phases")
    assert "tempest.api.compute.servers.test_create_server.ServersTestJSON" in before
    assert "tempest.exceptions.BuildErrorException: Server 6af48a8e" in before
    assert CAUSE in before
    assert "cannot create domain: -3" in before
    assert "Instance failed to spawn" in before
    assert "alone: failed · on the tip: passed" in before
    assert "Verified −1" in before
    assert after


def test_a_build_shows_its_tree_carry_proof_evidence_and_how_to_do_it_again(world: World) -> None:
    words = read(world, world.build("bad")).words
    number = world.sample.changes["bad"]
    for part in (
        "4c1f0e2" + "0" * 33,
        "3e5d" + "0" * 36,
        "a91be07" + "1" * 33,
        "libvirt: Boot paravirtualized and fully virtualized guests on Xen",
        "nova.__file__ /opt/stack/nova/nova/__init__.py",
        "instance-00000002",
        f"git fetch origin refs/changes/{number % 100:02d}/{number}/1",
        'carry=/path/to/xenci/configs/carry/nova-2025.1 git am -3 "$carry"/000*.patch',
        "git push --force ssh://root@NODE/opt/stack/nova HEAD:refs/xenci/again",
        'nova-renew "$(git -C /opt/stack/nova rev-parse refs/xenci/again)" 900',
        'nova-renew "$(git -C /opt/stack/nova rev-parse refs/xenci/again-tip)" 900',
        "set -a; . /opt/cloud/env; set +a",
        f"xenci build run {number},1 --pipeline check",
    ):
        assert part in words, part


def test_a_build_that_runs_nothing_has_nothing_to_prove_or_to_do_by_hand(world: World) -> None:
    path = world.build("waiting")
    assert "A build of tests without evidence never votes." in read(world, path).words
    noop = world.settings.jobs[0].model_copy(update={"noop": True})
    client = TestClient(create_app(world.settings.model_copy(update={"jobs": (noop,)}), world.database, now))
    words = Page(client.get(path).text).words
    assert words.count("Nothing was run, so nothing is to be proved.") == 2
    assert "never votes" not in words
    assert "runs nothing, so there is nothing to do by hand." in words
    assert "As an author: comment" in words


def test_a_test_that_hangs_is_named(world: World) -> None:
    words = read(world, world.build("timed-out")).words
    assert "Tests that did not end" in words
    assert "test_reboot_server_hard" in words


def test_a_running_build_is_polled_and_a_finished_one_is_not(world: World) -> None:
    running = world.client.get(world.build("running"))
    assert f'hx-get="{world.build("running")}/live"' in running.text
    part = world.client.get(f"{world.build('running')}/live")
    assert "21 of about 27 tests have ended, no failure so far." in part.text
    assert "hx-get" in part.text
    assert "HX-Refresh" not in part.headers
    assert "<html" not in part.text
    ended = world.client.get(f"{world.build('good')}/live")
    assert ended.headers["HX-Refresh"] == "true"
    assert "hx-get" not in ended.text
    assert "htmx" not in world.client.get(world.build("good")).text


def test_a_change_says_why_it_is_not_run(world: World) -> None:
    rows = read(world, "/builds").words
    assert "only documentation files" in rows
    first = world.sample.changes["bad"]
    number = next(n for n in range(first, first + 20) if "doc: mend" in world.client.get(f"/change/{n}").text)
    words = read(world, f"/change/{number}").words
    assert "Patch set 1: Only documentation files." in words
    assert "Comment “recheck”" not in words
    assert f"An operator can run it all the same: xenci build run {number} --pipeline PIPELINE" in words


def test_the_page_that_the_comment_links_says_what_was_carried(world: World) -> None:
    words = read(world, f"/buildset/{world.sample.buildsets['bad']}").words
    assert f"Carried for nova-xen-tempest 4 commits: {CARRY[0]}" in words


def test_many_failed_tests_are_listed_with_few_queries(world: World) -> None:
    uuid = world.sample.builds["lost"]
    with world.database.session() as session:
        build = queries_builds.build_by_uuid(session, uuid)
        made = [
            TestRow(build_id=build.id, run="first", test_id=f"a.b.C.test_{i}", status=status, detail=f"said {i} " * 200)
            for i, status in enumerate(["fail"] * 70 + ["skip"] * 5)
        ]
        session.add_all(made)
    asked: list[str] = []

    def listener(*args: Any) -> None:
        asked.append(args[2])

    event.listen(world.database.engine, "before_cursor_execute", listener)
    try:
        page = read(world, f"/build/{uuid}/tests")
    finally:
        event.remove(world.database.engine, "before_cursor_execute", listener)
        with world.database.session() as session:
            session.execute(delete(TestRow).where(TestRow.id.in_([row.id for row in made])))
    assert len(asked) < 30
    assert page.words.count("Traceback") == 50
    assert f"/build/{uuid}/tests?run=first&q=a.b.C.test_69" in page.links
    assert "said 71" in page.words
    assert len(page.words) < 200_000
