"""JSON twins of the pages, under `/api/` and otherwise the page's own address."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from xenci.dashboard import (
    queries_builds,
    queries_changes,
    queries_events,
    queries_nodes,
    queries_pool,
    queries_queue,
    queries_tests,
    twins,
    twins_events,
    twins_pool,
)
from xenci.dashboard.pages.builds import address, read_filters
from xenci.dashboard.pages.events import Key, View
from xenci.dashboard.pages.events import address as events_address
from xenci.dashboard.queries_builds import Filters
from xenci.dashboard.site import Site, site_of
from xenci.store.images import listed

router = APIRouter(prefix="/api")


def _answer(site: Site, body: dict[str, Any]) -> JSONResponse:
    """Return the facts, and what must stand on every page."""
    sizes = {label.name: label.true_size for label in site.settings.labels if label.true_size}
    return JSONResponse({"is_lab": site.settings.is_lab, "true_sizes": sizes, "at": twins.moment(site.clock())} | body)


@router.get("/builds")
def builds(request: Request, filters: Annotated[Filters, Depends(read_filters)]) -> JSONResponse:
    """List builds, newest first; `older` and `newer` are the addresses of the pages beside."""
    site = site_of(request)
    with site.database.session() as session:
        page = queries_builds.list_builds(session, filters, site.clock())
        counts = queries_builds.counts_of(session, [row.id for row in page.rows])
        rows = [twins.build_summary(row, counts.get(row.id)) for row in page.rows]
    older = address(filters, before=page.rows[-1].id, after=None) if page.has_older and page.rows else None
    newer = address(filters, before=None, after=page.rows[0].id) if page.has_newer and page.rows else None
    return _answer(
        site,
        {
            "builds": rows,
            "total": page.total,
            "older": f"/api{older}" if older else None,
            "newer": f"/api{newer}" if newer else None,
        },
    )


@router.get("/build/{uuid}")
def build(request: Request, uuid: str) -> JSONResponse:
    """Return one build."""
    site = site_of(request)
    with site.database.session() as session:
        row = queries_builds.build_by_uuid(session, uuid)
        counts = queries_builds.counts_of(session, [row.id]).get(row.id)
        body = twins.build_whole(row, counts, queries_tests.failures_of(session, row))
    return _answer(site, {"build": body})


@router.get("/change/{number}")
def change(request: Request, number: int) -> JSONResponse:
    """Return one change."""
    site = site_of(request)
    with site.database.session() as session:
        row = queries_changes.change_by_number(session, number)
        body = twins.change(row, queries_changes.patchsets_of(session, row))
    return _answer(site, {"change": body})


@router.get("/queue")
def queue(request: Request) -> JSONResponse:
    """Return what waits, the next first, what runs, and what is being prepared."""
    site = site_of(request)
    with site.database.session() as session:
        body = twins_events.queue(queries_queue.queue_of(session, site.settings, site.clock()))
    return _answer(site, body)


@router.get("/events")
def events(request: Request, view: View = "", change: Key = None, before: Key = None) -> JSONResponse:
    """List events, newest first, with what became of each; and how the runs of the last 30 days were found."""
    site = site_of(request)
    with site.database.session() as session:
        rows, has_older = queries_events.list_events(session, view=view, change=change, before=before)
        days = queries_events.found_by_day(session, since=queries_events.month(site.clock()))
        body = twins_events.events(rows, days, looked_at=queries_events.looked_at(session))
    older = events_address(view=view, change=change, before=rows[-1].id) if has_older else None
    return _answer(site, body | {"older": f"/api{older}" if older else None})


@router.get("/nodes")
def nodes(request: Request) -> JSONResponse:
    """Return every node by provider, the pool's figures, and the newest node images."""
    site = site_of(request)
    with site.database.session() as session:
        body = [twins.provider(row) for row in queries_nodes.nodes_by_provider(session, site.settings)]
        images = [twins_pool.image(row) for row in listed(session)]
        pool = twins_pool.pool(queries_pool.pool_of(session, site.settings, site.clock()))
    return _answer(site, {"providers": body, "pool": pool, "images": images})
