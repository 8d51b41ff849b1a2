"""All pages as any client reads them, without a browser: links, headings, policy, what stands on each, twins, theme."""

import json
from urllib.parse import parse_qs, urldefrag, urljoin, urlsplit

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from tests.browser.conftest import World
from tests.browser.reading import Page, read
from xenci.clock import now
from xenci.dashboard.app import create_app
from xenci.dashboard.security import PAGE_POLICY
from xenci.store import marks
from xenci.store.database import Database

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
