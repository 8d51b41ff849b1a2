"""The events-log plugin as it is: lines called a web page, times in the server's zone, only so many at once."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.test_gerrit_session import Answer, Serve, serve
from xenci.gerrit.eventslog import events_since
from xenci.gerrit.failures import GerritDown, NotGerrit
from xenci.gerrit.pace import Pace

__all__ = ["serve"]
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def event(minute: float, number: int = 1) -> bytes:
    moment = int((NOON + timedelta(minutes=minute)).timestamp())
    return json.dumps({"type": "patchset-created", "eventCreatedOn": moment, "number": number}).encode()


def plugin(events: list[bytes], *, most: int = 5000, hours_ahead: int = 0) -> Callable[[str], Answer]:
    """Answer as EventsRestApiServlet does; its clock is so many hours ahead of UTC."""
    zone = timezone(timedelta(hours=hours_ahead))

    def answer(path: str) -> Answer:
        found = re.fullmatch(r"/a/plugins/events-log/events/\?t1=(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)", unquote(path))
        assert found, path
        begin = datetime.fromisoformat(found[1]).replace(tzinfo=zone).timestamp()
        wanted = [one for one in events if json.loads(one)["eventCreatedOn"] >= begin]
        return 200, "text/html", b"".join(one + b"\n" for one in wanted[:most])

    return answer


@pytest.mark.parametrize("hours_ahead", [-12, 0, 14])
def test_the_events_since_then_are_told_once_whatever_the_servers_zone(serve: Serve, hours_ahead: int) -> None:
    events = [event(minute, minute) for minute in (-600, -61, 0, 7, 59)]
    lines = serve(plugin(events, hours_ahead=hours_ahead)).missed_events(since=NOON)
    assert lines is not None
    assert list(lines) == events[2:]


@pytest.mark.parametrize("hours_ahead", [-7, 0, 9])
def test_more_than_the_server_gives_at_once_are_asked_for_again(serve: Serve, hours_ahead: int) -> None:
    """As long as there were events before: an idle server has no more than it gives at once."""
    events = [event(10 * turn, turn) for turn in range(-200, 60)]
    lines = serve(plugin(events, most=90, hours_ahead=hours_ahead)).missed_events(since=NOON)
    assert lines is not None
    assert list(lines) == events[200:]


def test_no_event_is_no_event_and_no_plugin_is_none(serve: Serve) -> None:
    lines = serve(plugin([])).missed_events(since=NOON)
    assert lines is not None
    assert list(lines) == []
    assert serve(lambda path: (404, "text/html", b"<html>Not Found")).missed_events(since=NOON) is None


def test_a_sign_in_page_and_a_server_in_trouble_are_said(serve: Serve) -> None:
    with pytest.raises(NotGerrit, match="no list of events"):
        serve(lambda path: (200, "text/html", b"<html>Welcome</html>\n")).missed_events(since=NOON)
    with pytest.raises(GerritDown, match="503"):
        serve(lambda path: (503, "text/html", b"later")).missed_events(since=NOON)


def test_a_line_that_is_none_costs_only_itself(serve: Serve) -> None:
    body = b"\n".join(
        [
            event(1),
            b'{"cut": ',
            b'{"type": "x"}',
            b'{"eventCreatedOn": "soon"}',
            b'{"eventCreatedOn": 1' + b"0" * 18 + b"}",
            b"[1]",
            event(2),
        ]
    )
    lines = serve(lambda path: (200, "text/html", body)).missed_events(since=NOON)
    assert lines is not None
    assert list(lines) == [event(1), event(2)]


@given(st.lists(st.integers(0, 3000), max_size=40).map(sorted), st.integers(2, 9), st.lists(st.integers(1, 40)))
def test_pages_and_pieces_make_no_difference(minutes: list[int], most: int, sizes: list[int]) -> None:
    events = [event(minute * 7, place) for place, minute in enumerate(minutes)]
    pages = plugin(events, most=most)

    def get(url: str) -> list[bytes]:
        body = pages(url.removeprefix("http://gerrit"))[2]
        cuts = [0, *sizes, len(body)]
        places = sorted({min(sum(cuts[: i + 1]), len(body)) for i in range(len(cuts))})
        return [body[a:b] for a, b in pairwise(places)]

    found = list(events_since(lambda url: iter(get(url)), "http://gerrit/", NOON))
    assert found == events[: len(found)]
    assert len(found) >= min(len(events), most)


def test_requests_are_spread_evenly_and_none_waits_after_a_pause() -> None:
    now, slept = [100.0], list[float]()

    def sleep(seconds: float) -> None:
        slept.append(round(seconds, 3))
        now[0] += seconds

    pace = Pace(4, clock=lambda: now[0], sleep=sleep)
    for _ in range(3):
        pace.wait()
    now[0] += 60
    pace.wait()
    assert slept == [0.25, 0.25]
