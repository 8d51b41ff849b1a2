"""The queue: what waits, in the order in which it will start, and why; what runs."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from xenci.dashboard import sentences
from xenci.dashboard.queries_queue import nodes_by_label, queue_of
from xenci.dashboard.site import site_of

router = APIRouter()


@router.get("/queue", response_class=HTMLResponse, include_in_schema=False)
def queue(request: Request) -> HTMLResponse:
    """Show the queue."""
    site = site_of(request)
    with site.database.session() as session:
        return site.page(
            request,
            session,
            "queue.html",
            queue=queue_of(session, site.settings, site.clock()),
            nodes=nodes_by_label(session, site.settings),
            in_words=sentences.in_words,
        )
