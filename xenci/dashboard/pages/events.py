"""The events: what Gerrit told, what became of each, and what the stream missed and was found all the same."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from xenci.dashboard import queries_events as queries
from xenci.dashboard.site import site_of

router = APIRouter()
View = Annotated[str, Query(max_length=20)]
Key = Annotated[int | None, Query(ge=0, lt=1 << 31)]


def address(*, view: str = "", change: int | None = None, before: int | None = None) -> str:
    """Return the address of the list with these filters."""
    kept = {name: value for name, value in (("view", view), ("change", change), ("before", before)) if value}
    return "/events" + (f"?{urlencode(kept)}" if kept else "")


@router.get("/events", response_class=HTMLResponse, include_in_schema=False)
def events(request: Request, view: View = "", change: Key = None, before: Key = None) -> HTMLResponse:
    """Show the latest events."""
    site = site_of(request)
    view = view if view in queries.VIEWS else ""
    now = site.clock()
    since = queries.month(now)
    with site.database.session() as session:
        rows, has_older = queries.list_events(session, view=view, change=change, before=before)
        days = queries.found_by_day(session, since=since)
        return site.page(
            request,
            session,
            "events.html",
            events=rows,
            has_older=has_older,
            view=view,
            change=change,
            before=before,
            address=address,
            known=queries.known_changes(session, rows),
            days=days,
            missed=queries.missed_runs(session, since=since),
            runs=sum(day.stream + day.missed for day in days),
            lost=sum(day.missed for day in days),
            looked_at=queries.looked_at(session),
        )
