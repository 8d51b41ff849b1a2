"""A change with its patch sets and what became of each; a buildset, which is what the comment in Gerrit links."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from xenci.dashboard import queries_builds, queries_changes, sentences
from xenci.dashboard.site import site_of

router = APIRouter()


@router.get("/change/{number}", response_class=HTMLResponse, include_in_schema=False)
def change(request: Request, number: int) -> HTMLResponse:
    """Show a change."""
    site = site_of(request)
    with site.database.session() as session:
        row = queries_changes.change_by_number(session, number)
        patchsets = queries_changes.patchsets_of(session, row)
        builds = [build for p in patchsets for s in p.buildsets for build in s.builds]
        return site.page(
            request,
            session,
            "change.html",
            change=row,
            patchsets=patchsets,
            builds=builds,
            counts=queries_builds.counts_of(session, [build.id for build in builds]),
            comments=queries_changes.comments_of(session, row),
            events=queries_changes.events_of(session, row),
            of_patchset=sentences.of_patchset,
            of_buildset=sentences.of_buildset,
            in_words=sentences.in_words,
            said=sentences.said,
        )


@router.get("/buildset/{uuid}", response_class=HTMLResponse, include_in_schema=False)
def buildset(request: Request, uuid: str) -> HTMLResponse:
    """Show a buildset."""
    site = site_of(request)
    with site.database.session() as session:
        row = queries_changes.buildset_by_uuid(session, uuid)
        return site.page(
            request,
            session,
            "buildset.html",
            buildset=row,
            counts=queries_builds.counts_of(session, [build.id for build in row.builds]),
            opening=sentences.of_buildset(row),
            in_words=sentences.in_words,
        )
