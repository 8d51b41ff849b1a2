"""A build's files: as lines with numbers and levels, in windows; and raw, as text that no browser obeys."""

import posixpath
import re
from collections.abc import Iterator
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse

from xenci.dashboard import queries_builds
from xenci.dashboard.logfiles import LogFiles, Survey, Wanted, Window
from xenci.dashboard.loglines import Level, parse, source_of
from xenci.dashboard.security import FILE_POLICY
from xenci.dashboard.site import site_of

router = APIRouter()
#: lines of a window
WINDOW = 500
#: lines before the one that was asked for
_CONTEXT = 20
_PIECE = 1 << 16


@router.get("/log/{uuid}/{name:path}", response_class=HTMLResponse, include_in_schema=False)
def log(
    request: Request,
    uuid: str,
    name: str,
    first: str = "",
    at: str = "",
    level: str = "",
    q: Annotated[str, Query(max_length=200)] = "",
    wrap: str = "",
) -> HTMLResponse:
    """Show a window of a file: from line `first` on, or around line `at`; `first=-1` is the end."""
    site = site_of(request)
    line = _number(at)
    wanted = Wanted(level=Level(level) if level in set(Level) else Level.NONE, text=q)
    with site.database.session() as session:
        build = queries_builds.build_by_uuid(session, uuid)
    # without a session: a large file takes a while
    seen = site.logs.survey(uuid, name)
    total = seen.lines if seen.is_text else -(-seen.size // 16)
    start = _start(_number(first), line, total)
    found = _window(site.logs, uuid, name, seen, wanted, start)
    last = found.lines[-1][0] if found.lines else start
    here = f"/log/{uuid}/{quote(name)}"

    def address(**changes: object) -> str:
        asked = {"level": wanted.level, "q": q, "wrap": wrap} | changes
        kept = {key: value for key, value in asked.items() if value not in ("", 0, None)}
        return here + (f"?{urlencode(kept)}" if kept else "")

    with site.database.session() as session:
        return site.page(
            request,
            session,
            "log.html",
            build=build,
            name=name,
            raw=f"/artifact/{uuid}/{quote(name)}",
            source=source_of(name),
            seen=seen,
            total=total,
            wanted=wanted,
            is_wrapped=wrap != "no",
            lines=[(number, parse(text, source_of(name)), text) for number, text in found.lines],
            until=found.until,
            start=start,
            last=last,
            at=line,
            window=WINDOW,
            address=address,
            action=here,
            parent=posixpath.dirname(name),
        )


def _number(text: str) -> int:
    """Read a line's number; a form sends an empty text for none, and what is no number means none too."""
    return int(text) if re.fullmatch(r"\s*-?[0-9]{1,12}\s*", text) else 0


def _start(first: int, at: int, total: int) -> int:
    if at > 0:
        first = min(at, total) - _CONTEXT
    elif first < 0:
        first = total - WINDOW + 1
    return max(1, min(first, max(total, 1)))


def _window(logs: LogFiles, uuid: str, name: str, seen: Survey, wanted: Wanted, start: int) -> Window:
    if not seen.is_text:
        return Window(lines=logs.octets(uuid, name, first=start, count=WINDOW))
    return logs.lines(uuid, name, wanted, first=start, count=WINDOW)


@router.get("/artifact/{uuid}/{name:path}", include_in_schema=False)
def artifact(request: Request, uuid: str, name: str) -> Response:
    """Serve a file as it is: inline, as UTF-8 text whatever it holds, and without any right in a browser."""
    site = site_of(request)
    with site.database.session() as session:
        queries_builds.must_exist(session, uuid)
    with site.logs.open(uuid, name):
        pass
    headers = {"Content-Security-Policy": FILE_POLICY, "Content-Disposition": "inline"}
    return StreamingResponse(_pieces(site.logs, uuid, name), media_type="text/plain; charset=utf-8", headers=headers)


def _pieces(logs: LogFiles, uuid: str, name: str) -> Iterator[bytes]:
    with logs.open(uuid, name) as file:
        while piece := file.read(_PIECE):
            yield piece
