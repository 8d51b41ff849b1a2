"""The pages as any client reads them: real rows, real files, no browser."""

import json
import re
from contextlib import AbstractContextManager
from datetime import timedelta
from html import unescape
from typing import Any, BinaryIO
from urllib.parse import parse_qs, urldefrag, urljoin, urlsplit

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import delete, event

from tests.browser.conftest import World
from tests.browser.reading import Page
from tests.browser.sample_builds import BAD, CARRY, CAUSE, HOSTILE
from xenci.clock import now
from xenci.dashboard import logfiles, queries_builds, queries_trends
from xenci.dashboard.app import create_app
from xenci.dashboard.logfiles import LogFiles
from xenci.dashboard.security import FILE_POLICY, PAGE_POLICY
from xenci.model.outcome import Fault, Result
from xenci.rules.statistics import Ended
from xenci.store import marks
from xenci.store.database import Database
from xenci.store.tables import NodeRow, TestRow

PAGES = (
    "/",
    "/builds",
    "/builds?since=all",
    "/queue",
    "/events",
    "/events?view=found",
    "/trends",
    "/nodes",
    "/cost",
    "/health",
)


def read(world: World, path: str, status: int = 200) -> Page:
    answer = world.client.get(path)
    assert answer.status_code == status, (path, answer.status_code)
    return Page(answer.text)


def every_page(world: World) -> list[str]:
    builds = [world.build(name) for name in ("good", "bad", "lost", "timed-out", "running", "waiting", "hostile")]
    buildsets = [
        f"/buildset/{world.sample.buildsets[name]}" for name in ("bad", "merge", "carry", "running", "hostile")
    ]
    logs = [
        f"/log/{world.sample.builds['bad']}/logs/nova.log",
        f"/log/{world.sample.builds['bad']}/tempest/first.subunit",
    ]
    changes = [f"/change/{world.sample.changes[name]}" for name in ("bad", "hostile")]
    return [
        *PAGES,
        *changes,
        *builds,
        *buildsets,
        *logs,
        f"{builds[1]}/tests",
        f"{builds[6]}/tests",
        "/test?id=nothing",
    ]


@pytest.mark.browser
def test_every_link_of_every_page_leads_somewhere(world: World) -> None:
    """Opens every internal link, and looks for the id of each anchor on its page."""
    seen: dict[str, Page | None] = {}
    wanted: dict[str, set[tuple[str, str]]] = {}
    todo = [("start", path) for path in every_page(world)]
    while todo:
        origin, link = todo.pop()
        path, fragment = urldefrag(link)
        if fragment:
            wanted.setdefault(path, set()).add((fragment, origin))
        if path in seen:
            continue
        answer = world.client.get(path)
        assert answer.status_code in ((200, 503) if path == "/healthz" else (200,)), (origin, path, answer.status_code)
        is_page = answer.headers["content-type"].startswith("text/html")
        seen[path] = page = Page(answer.text) if is_page else None
        if page is None or _is_deep(path):
            continue
        for found in page.links:
            absolute = urljoin(path, found)
            if not urlsplit(absolute).netloc:
                todo.append((path, absolute))
    assert len(seen) > 250
    missing = [
        (path, fragment, origin)
        for path, fragments in wanted.items()
        for fragment, origin in fragments
        if (page := seen[path]) is not None and fragment not in page.ids
    ]
    assert missing == [], sorted({(path, fragment[:12]) for path, fragment, _ in missing})


def _is_deep(path: str) -> bool:
    """Filters of filters have no end: of a list with a filter only its own answer is looked at."""
    return any(name in parse_qs(urlsplit(path).query) for name in ("before", "after", "first", "level", "id", "day"))


@pytest.fixture(scope="module")
def answers(world: World) -> dict[str, Response]:
    """Every page, asked for once."""
    return {path: world.client.get(path) for path in (*every_page(world), "/nowhere")}


def test_every_page_has_one_heading_and_nothing_that_the_policy_forbids(answers: dict[str, Response]) -> None:
    for path, answer in answers.items():
        page = Page(answer.text)
        assert page.h1 == 1, path
        assert page.forbidden == [], path
        assert page.inline_scripts == 0, path
        assert page.unnamed == [], path
        assert len(page.ids) == len(set(page.ids)), (path, [i for i in page.ids if page.ids.count(i) > 1])
        assert answer.headers["content-security-policy"] == PAGE_POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_every_page_says_that_it_is_a_lab_and_how_big_the_nodes_are(world: World, answers: dict[str, Response]) -> None:
    for path, answer in answers.items():
        words = Page(answer.text).words
        assert "This is a lab" in words, path
        assert "Nodes of xen are truly 3 GB and 1 vCPU, emulated." in words, path
    gone = Database("postgresql+psycopg://postgres@/xenci?host=/nonexistent")
    without = TestClient(create_app(world.settings, gone, now))
    for path, client in (("/change/9", world.client), ("/change/x", world.client), ("/builds", without)):
        assert "This is a lab" in Page(client.get(path).text).words, path
    assert world.client.get("/api/builds").json()["true_sizes"] == {"xen": "3 GB and 1 vCPU, emulated"}


def test_an_installation_that_is_no_lab_does_not_say_so(world: World) -> None:
    app = create_app(world.settings.model_copy(update={"is_lab": False}), world.database, now)
    assert "This is a lab" not in TestClient(app).get("/builds").text


def test_paused_reports_are_shown_on_every_page(world: World) -> None:
    assert "Reports are paused" not in read(world, "/builds").words
    try:
        with world.database.session() as session:
            marks.set_switch(session, marks.REPORTS_PAUSED, {"paused": True}, by="test", at=now())
        for path in every_page(world):
            assert "Reports are paused" in read(world, path).words, path
        assert world.client.get("/healthz").json()["reports_paused"] is True
    finally:
        with world.database.session() as session:
            marks.set_switch(session, marks.REPORTS_PAUSED, {"paused": False}, by="test", at=now())


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


def test_conflicts_name_their_files(world: World) -> None:
    words = read(world, "/health").words
    assert "nova/virt/libvirt/config.py" in words
    assert "Boot paravirtualized" in words
    assert "nova/virt/libvirt/utils.py" in read(world, f"/buildset/{world.sample.buildsets['merge']}").words


def test_health_names_what_wants_a_person_with_its_remedy(world: World) -> None:
    words = read(world, "/health").words
    assert "1 thing wants a person: The quota of cb is full" in words
    assert "raise the quota, or lower max_servers of cb" in words
    assert "Gerrit answers 503" in words


def test_the_queue_says_what_waits_and_why(world: World) -> None:
    page = read(world, "/queue")
    change = world.sample.changes["waiting"]
    assert f"1 build waits, 1 running; the next is {change},1" in page.words
    assert "xen: 1 ready, 1 being made, 1 of 4 in use" in page.words
    assert "A node of xen is ready: it starts in a moment." in page.words
    twin = world.client.get("/api/queue").json()
    assert [(one["place"], one["change"], one["label"]) for one in twin["waiting"]] == [(1, f"{change},1", "xen")]
    assert [one["doing"] for one in twin["running"]] == ["Tempest runs"]


def test_the_events_say_what_became_of_each_and_what_was_missed(world: World) -> None:
    page = read(world, "/events")
    assert "in 30 days was missed by the stream and found all the same" in page.words
    assert "only documentation files" in page.words
    found = read(world, "/events?view=found")
    assert "Found by looking at the change: started buildset 8." in found.words
    assert "patchset-created" not in found.words
    one = read(world, f"/events?change={world.sample.changes['waiting']}")
    assert "of all changes" in one.words
    assert "No event matches" in read(world, "/events?change=1").words
    twin = world.client.get("/api/events?view=found").json()
    assert [row["source"] for row in twin["events"]] == ["reconcile"]
    assert sum(day["missed"] for day in twin["found"]) == 1
    assert twin["older"] is None


def test_healthz_is_well_while_the_loops_beat_and_503_with_reasons_when_not(world: World) -> None:
    body = world.client.get("/healthz").json()
    assert (body["ok"], body["reasons"], body["open_alarms"], body["reports_waiting"]) == (True, [], 1, 1)
    later = TestClient(create_app(world.settings, world.database, lambda: now() + timedelta(hours=1)))
    answer = later.get("/healthz")
    assert answer.status_code == 503
    assert [reason.split(" since")[0] for reason in answer.json()["reasons"]] == [
        "no sign of life of the listener",
        "no sign of life of the worker",
    ]
    assert "No sign of listener and worker" in Page(later.get("/builds").text).words


def test_without_a_database_pages_say_so_and_healthz_is_503(world: World) -> None:
    gone = Database("postgresql+psycopg://postgres@/xenci?host=/nonexistent")
    client = TestClient(create_app(world.settings, gone, now))
    assert client.get("/healthz").json()["reasons"] == ["the database does not answer"]
    for path in ("/", "/builds", "/health", "/api/builds"):
        answer = client.get(path)
        assert answer.status_code == 503, path
        assert "The database does not answer" in answer.text
        assert answer.headers["content-security-policy"] == PAGE_POLICY


def test_a_fault_of_ours_is_told_with_an_id_and_without_its_inside(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(queries_builds, "list_builds", broken)
    client = TestClient(world.app, raise_server_exceptions=False)
    answer = client.get("/builds")
    assert answer.status_code == 500
    assert "Error id" in answer.text
    assert "secret inside" not in answer.text
    assert answer.headers["content-security-policy"] == PAGE_POLICY
    assert set(client.get("/api/builds").json()) == {"error", "detail", "remedy", "id"}


@pytest.mark.parametrize(
    "path", ["/build/none", "/change/9", "/buildset/x", "/log/x/y", "/artifact/x/y", "/criterion/B1/99"]
)
def test_what_is_not_there_is_404_with_a_way_out(world: World, path: str) -> None:
    page = read(world, path, 404)
    assert "/builds" in page.links
    assert world.client.get("/api/build/none").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/change/9999999999",
        "/build/%00",
        "/buildset/%00",
        "/node/%00",
        "/builds?q=%00",
        "/test?id=%00",
        "/trends?job=%00",
    ],
)
def test_an_address_that_no_row_can_have_is_not_there(world: World, path: str) -> None:
    page = read(world, path, 404)
    assert "It is not there." in page.words
    assert "Error id" not in page.words
    assert world.client.get("/api/change/9999999999").status_code == 404


@pytest.mark.parametrize("path", ["/change/abc", "/builds?before=x", f"/builds?q={'x' * 999}", "/test"])
def test_an_address_that_cannot_be_read_is_told_on_a_page(world: World, path: str) -> None:
    page = read(world, path, 422)
    assert "This address cannot be read." in page.words
    assert "/builds" in page.links


def test_an_address_that_cannot_be_read_is_told_as_json_by_the_api(world: World) -> None:
    answer = world.client.get("/api/change/abc")
    assert answer.status_code == 422
    assert "number: " in answer.json()["detail"]


@pytest.mark.parametrize("name", ["logs/nova.log", "tempest/first.subunit"])
def test_a_raw_file_is_text_without_rights(world: World, name: str) -> None:
    uuid = world.sample.builds["bad"]
    answer = world.client.get(f"/artifact/{uuid}/{name}")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-security-policy"] == FILE_POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == "inline"
    assert answer.content == (world.sample.artifacts_dir / uuid / name).read_bytes()
    assert name != "tempest/first.subunit" or answer.content == BAD.read_bytes()


def test_a_page_from_a_node_is_served_as_text(world: World) -> None:
    answer = world.client.get(f"/artifact/{world.sample.builds['hostile']}/page.html")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-security-policy"] == FILE_POLICY


@pytest.mark.parametrize(
    "name", ["../../pg/data/PG_VERSION", "..%2f..%2fpg%2fdata%2fPG_VERSION", "/etc/passwd", ".cut/x"]
)
def test_no_file_outside_a_build_is_served(world: World, name: str) -> None:
    uuid = world.sample.builds["bad"]
    assert world.client.get(f"/artifact/{uuid}/{name}").status_code == 404
    assert world.client.get(f"/log/{uuid}/{name}").status_code == 404


def test_hostile_text_stays_text(world: World) -> None:
    uuid = world.sample.builds["hostile"]
    for path in (
        f"/build/{uuid}",
        f"/build/{uuid}/tests",
        f"/log/{uuid}/logs/nova.log",
        "/builds",
        "/health",
        f"/change/{world.sample.changes['hostile']}",
    ):
        answer = world.client.get(path)
        assert "<script>document" not in answer.text, path
        assert "<img" not in answer.text, path
    assert HOSTILE in Page(world.client.get(f"/build/{uuid}").text).text
    assert "{{7*7}}" in world.client.get(f"/build/{uuid}").text


def test_filters_choose_builds(world: World) -> None:
    def found(query: str) -> list[dict[str, object]]:
        builds: list[dict[str, object]] = world.client.get(f"/api/builds?{query}").json()["builds"]
        return builds

    assert {b["result"] for b in found("result=TIMED_OUT")} == {"TIMED_OUT"}
    assert {b["fault"] for b in found("fault=infra&since=all")} == {"infra"}
    number = world.sample.changes["bad"]
    assert [b["change"] for b in found(f"q={number},1")] == [number]
    assert len(found("q=Robin")) == 1
    assert found("q=%25") == []
    assert {b["state"] for b in found("result=running")} == {"running"}
    assert {b["provider"] for b in found("cloud=cb&since=all")} == {"cb"}
    blamed = found("vote=-1&since=all")
    assert number in {b["change"] for b in blamed}
    assert {(b["result"], b["fault"]) for b in blamed} == {("FAILURE", "change")}
    assert {b["result"] for b in found("evidence=no&since=all")} == {"NODE_FAILURE", "TIMED_OUT"}


def test_pages_of_the_list_follow_each_other_without_gap_or_repetition(world: World) -> None:
    seen: list[int] = []
    path: str | None = "/api/builds?since=all"
    while path:
        body = world.client.get(path).json()
        seen += [build["id"] for build in body["builds"]]
        path, last = body["older"], body
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == last["total"]
    newer = world.client.get(last["newer"]).json()["builds"]
    assert newer[-1]["id"] == last["builds"][0]["id"] + 1


def test_a_filter_that_matches_nothing_says_what_it_was(world: World) -> None:
    words = read(world, "/builds?q=nobody&result=ABORTED").words
    assert "No build matches." in words
    assert "“nobody”" in words
    assert "result is ABORTED" in words


def test_twins_tell_the_same_as_the_pages(world: World) -> None:
    body = world.client.get(f"/api{world.build('bad')}").json()["build"]
    assert (body["result"], body["fault"]) == ("FAILURE", "change")
    assert body["failures"][0]["blame"] == "change"
    assert body["tests"] == {"passed": 6, "failed": 1, "skipped": 0, "unfinished": 0}
    change = world.client.get(f"/api/change/{world.sample.changes['bad']}").json()["change"]
    assert change["patchsets"][0]["buildsets"][0]["vote"] == -1
    assert {p["name"] for p in world.client.get("/api/nodes").json()["providers"]} == {"ca", "cb"}
    readiness = world.client.get("/api/readiness").json()
    assert len(readiness["criteria"]) == 31
    assert f"Group B: {readiness['groups']['B']['met']} of 19 met." in read(world, "/").words
    json.dumps(world.client.get("/api/openapi.json").json())


def test_every_criterion_is_a_row_and_says_why_it_stands_so(world: World) -> None:
    page = read(world, "/")
    for name in [f"B{i}" for i in range(19)] + [f"A{i}" for i in range(12)]:
        assert name in page.ids
    assert "cannot be measured yet" in page.words
    assert "share one failure domain" in page.words


def test_the_log_page_filters_by_level_and_leads_to_lines(world: World) -> None:
    base = f"/log/{world.sample.builds['bad']}/logs/nova.log"
    page = read(world, f"{base}?level=E")
    assert "301 lines left out by the filter" in page.words
    assert "L302" in page.ids
    assert "L1" not in page.ids
    page = read(world, f"{base}?at=305")
    assert page.ids.count("L305") == 1
    assert "L284" not in page.ids
    assert "Nothing matches." in read(world, f"{base}?q=unicorn").words


def test_the_logs_form_works_as_a_browser_sends_it(world: World) -> None:
    base = f"/log/{world.sample.builds['bad']}/logs/nova.log"
    page = read(world, f"{base}?level=E&q=&at=&wrap=")
    assert "L302" in page.ids
    assert "L1" not in page.ids
    assert "L1" in read(world, f"{base}?level=&q=&at=+&wrap=no&first=").ids
    assert "L1" in read(world, f"{base}?at=here&first=there").ids


def test_a_log_with_too_many_lines_to_judge_is_looked_through_in_parts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logfiles, "MOST_LOOKED_AT", 2)
    client = TestClient(create_app(world.settings, world.database, now))
    base = f"/log/{world.sample.builds['bad']}/logs/nova.log"
    first = Page(client.get(f"{base}?level=E").text)
    assert "E 2 W 0 in lines 1 to 303; there are too many to look at all" in first.words
    assert "Only lines until 303 were looked at. Look further" in first.words
    (further,) = [link for link in first.links if "first=304" in link]
    assert "L304" in Page(client.get(further).text).ids
    nothing = Page(client.get(f"{base}?level=E&q=unicorn").text)
    assert "From line 1 to 303 no line at level E or above contains “unicorn”. Look further" in nothing.words


def test_no_connection_is_held_while_a_log_is_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    opened = LogFiles.open

    def watched(logs: LogFiles, build: str, name: str) -> AbstractContextManager[BinaryIO]:
        held.append(world.database.engine.pool.checkedout())  # type: ignore[attr-defined]
        return opened(logs, build, name)

    monkeypatch.setattr(LogFiles, "open", watched)
    read(world, f"/log/{world.sample.builds['bad']}/logs/nova.log")
    read(world, world.build("bad"))
    assert len(held) > 4
    assert set(held) == {0}


def test_a_long_log_is_read_in_windows(world: World) -> None:
    base = f"/log/{world.sample.builds['good']}/logs/nova.log"
    page = read(world, base)
    assert len([i for i in page.ids if i.startswith("L")]) == 500
    assert "Lines 1 to 500 of 4,000" in page.words
    assert "Lines 501 to 1,000 of 4,000" in read(world, f"{base}?first=501").words
    assert "Lines 3,501 to 4,000 of 4,000" in read(world, f"{base}?first=-1").words
    assert "Lines 3,980 to 4,000" in read(world, f"{base}?at=99999999").words


@pytest.mark.parametrize("query", ["", "?cloud=cb&since=14+days", "?job=nova-xen-tempest&branch=stable%2F2025.1"])
def test_the_numbers_of_the_trends_are_those_behind_their_links(world: World, query: str) -> None:
    page = world.client.get(f"/trends{query}").text
    links = re.findall(r'<dd><a href="(/builds[^"]*)">([0-9,]+)</a>', page)
    assert len(links) == 4
    for link, shown in links:
        assert world.client.get(f"/api{unescape(link)}").json()["total"] == int(shown.replace(",", "")), link
    days = re.findall(r'<a href="(/builds[^"]*day=[^"]*)">', page)
    assert days
    chosen = parse_qs(urlsplit(query).query)
    for link in days:
        asked = parse_qs(urlsplit(unescape(link)).query)
        assert asked["node"] == ["yes"]
        assert {name: asked.get(name) for name in ("job", "branch", "cloud")} == {
            name: chosen.get(name) for name in ("job", "branch", "cloud")
        }


def test_the_medians_of_the_trends_are_those_of_the_chosen_cloud(world: World) -> None:
    since = now() - timedelta(days=30)
    with world.database.session() as session:
        every = queries_trends.durations(session, since=since)
        of_cloud = [queries_trends.durations(session, since=since, cloud=cloud) for cloud in ("ca", "cb", "none")]
    for name in ("waits", "runs", "reports"):
        parts = [getattr(one, name).count for one in of_cloud]
        assert parts[2] == 0
        assert sum(parts[:2]) >= getattr(every, name).count > max(parts), name


def test_a_day_with_builds_of_which_none_is_judged_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Ended(finished_at=now(), result=Result.NODE_FAILURE, fault=Fault.INFRA)
    monkeypatch.setattr(queries_trends, "ended_builds", lambda *_, **__: [ours] * 3)
    text = world.client.get("/trends").text
    assert "<small>none judged</small>" in text
    assert "<small>no build</small>" not in text


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


def test_the_newest_failed_launch_is_the_last_one(world: World) -> None:
    at = now()
    with world.database.session() as session:
        made = [
            NodeRow(name=f"failed-{i}", label="xen", provider="ca", state="deleting", failure="no-ssh", reason=reason,
                    created_at=at, state_at=at)
            for i, reason in enumerate(["the older one", "the newer one"])
        ]  # fmt: skip
        session.add_all(made)
    try:
        assert "Last: no-ssh. the newer one" in read(world, "/nodes").words
    finally:
        with world.database.session() as session:
            session.execute(delete(NodeRow).where(NodeRow.id.in_([row.id for row in made])))


def test_metrics_can_be_read_by_prometheus(world: World) -> None:
    families = {f.name: f for f in text_string_to_metric_families(world.client.get("/metrics").text)}
    assert families["xenci_builds_running"].samples[0].value == 1
    assert families["xenci_nodes"].samples
    by = {(s.labels["result"], s.labels["fault"]): s.value for s in families["xenci_builds_ended"].samples}
    assert by["TIMED_OUT", "unknown"] == 1


@pytest.mark.parametrize(("theme", "shown"), [("dark", 'data-theme="dark"'), ("light", 'data-theme="light"')])
def test_the_theme_is_kept_in_a_cookie(world: World, theme: str, shown: str) -> None:
    client = TestClient(world.app)
    answer = client.post("/theme", data={"theme": theme, "back": "/builds?q=x"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/builds?q=x")
    assert shown in client.get("/builds").text
    client.post("/theme", data={"theme": "system", "back": "/"})
    assert "data-theme" not in client.get("/builds").text


def test_a_theme_that_is_none_of_ours_is_not_kept(world: World) -> None:
    client = TestClient(world.app, cookies={"theme": '"><script>'})
    assert "data-theme" not in client.get("/builds").text
    answer = client.post("/theme", data={"theme": "x", "back": "//evil.example"}, follow_redirects=False)
    assert answer.headers["location"] == "/"
