"""The list of builds, with its filters in the address, the queue, and what ran no build."""

from dataclasses import fields, replace
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from xenci.dashboard import queries_builds as queries
from xenci.dashboard import sentences
from xenci.dashboard.queries_builds import Filters
from xenci.dashboard.site import site_of

router = APIRouter()
Word = Annotated[str, Query(max_length=120)]
Key = Annotated[int | None, Query(ge=0, lt=1 << 31)]


def address(filters: Filters, **changes: object) -> str:
    """Return the address of the list with these filters, changed."""
    changed = replace(filters, **changes)  # type: ignore[arg-type]
    asked = {f.name: getattr(changed, f.name) for f in fields(changed)}
    kept = {name: value for name, value in asked.items() if value not in ("", None, getattr(Filters(), name))}
    return "/builds" + (f"?{urlencode(kept)}" if kept else "")


def read_filters(
    q: Word = "",
    result: Word = "",
    fault: Word = "",
    job: Word = "",
    pipeline: Word = "",
    branch: Word = "",
    cloud: Word = "",
    since: Word = "14 days",
    day: Word = "",
    ended: Word = "",
    node: Word = "",
    vote: Word = "",
    evidence: Word = "",
    before: Key = None,
    after: Key = None,
) -> Filters:
    """Read the filters from the address."""
    return Filters(
        q=q.strip(),
        result=result,
        fault=fault,
        job=job,
        pipeline=pipeline,
        branch=branch,
        cloud=cloud,
        since=since if since in queries.SPANS else "14 days",
        day=day,
        ended=ended,
        node=node,
        # a browser reads the plus of `+1` as a space
        vote=vote.replace(" ", "+"),
        evidence=evidence,
        before=before,
        after=after,
    )


@router.get("/builds", response_class=HTMLResponse, include_in_schema=False)
def builds(request: Request, filters: Annotated[Filters, Depends(read_filters)]) -> HTMLResponse:
    """List builds."""
    site = site_of(request)
    now = site.clock()
    with site.database.session() as session:
        page = queries.list_builds(session, filters, now)
        not_run, no_build = queries.without_build(session)
        return site.page(
            request,
            session,
            "builds.html",
            filters=filters,
            listing=page,
            counts=queries.counts_of(session, [row.id for row in page.rows]),
            values=queries.known_values(session),
            spans=list(queries.SPANS),
            queue=queries.queue_counts(session),
            waiting=queries.waiting_builds(session),
            not_run=not_run,
            no_build=no_build,
            address=address,
            in_words=sentences.in_words,
            of_buildset=sentences.of_buildset,
        )
