"""Reads what the events-log plugin has kept of the stream, where a Gerrit has it.

As the plugin documents and does it: `GET /a/plugins/events-log/events/?t1=…` gives one event of the stream a line,
oldest first, a few thousand at most, and calls it a web page. It reads times in the server's own time zone, which
nobody tells us: so we ask from so much earlier that any zone is covered, leave out what is older ourselves, and learn
from the answers how far ahead the server's clock is at least. Where the plugin is not there, Gerrit answers 404.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from xenci.gerrit.failures import NotGerrit
from xenci.gerrit.lines import Lines

PATH = "a/plugins/events-log/events/"
#: no clock on Earth is farther from UTC
_ANY_ZONE = timedelta(hours=14)
#: answers that are asked for at most; what is missing then is found by the look at open changes
_MOST_PAGES = 20
#: no event is of a later time: the year 2100
_LATEST = 4_102_444_800

#: Gets an address and returns the answer's body, piece by piece.
Get = Callable[[str], Iterator[bytes]]


def events_since(get: Get, web: str, since: datetime) -> Iterator[bytes]:
    """Yield each event of the log since then as a line of the stream, oldest first, each once.

    Raises NotFound if there is no such plugin, NotGerrit if what answers is no log.
    """
    # the server's zone is at least so far ahead of UTC: learned from the oldest event of each answer
    ahead, wanted, seen = -_ANY_ZONE.total_seconds(), since.timestamp(), set[bytes]()
    for _ in range(_MOST_PAGES):
        begin, moments, is_new = wanted + ahead, [], False
        asked = datetime.fromtimestamp(int(begin), UTC).strftime("%Y-%m-%d %H:%M:%S")
        for line in _page(get, f"{web}{PATH}?t1={quote(asked)}"):
            moment = _moment(line)
            if moment is None:
                continue
            moments.append(moment)
            if line in seen:
                continue
            is_new = True
            seen.add(line)
            if moment >= int(since.timestamp()):
                yield line
        learned = max([ahead, *(begin - 1 - moment for moment in moments)])
        if not is_new and learned == ahead:
            return
        # there may be more than the server tells at once: on from the newest
        ahead, wanted = learned, max([wanted, *moments])


def _page(get: Get, url: str) -> Iterator[bytes]:
    lines, is_first = Lines(), True
    for piece in get(url):
        for line in lines.feed(piece):
            if is_first and not line.startswith(b"{"):
                raise NotGerrit("the events log is no list of events", remedy="open changes are looked through instead")
            is_first = False
            yield line
    if rest := lines.rest():
        yield rest


def _moment(line: bytes) -> int | None:
    """Return when an event was made, in seconds since the epoch; None if the line is none or does not say it."""
    try:
        made = json.loads(line)
    except (ValueError, RecursionError):
        return None
    created = made.get("eventCreatedOn") if isinstance(made, dict) else None
    return created if isinstance(created, int) and 0 <= created < _LATEST else None
