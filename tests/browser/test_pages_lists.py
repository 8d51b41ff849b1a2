"""The list of builds with its filters, and the trends whose numbers lead to it."""

import re
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.browser.conftest import World
from tests.browser.reading import read
from xenci.clock import now
from xenci.dashboard import queries_trends
from xenci.model.outcome import Fault, Result
from xenci.rules.statistics import Ended


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
