"""All tests of a build, and what became of one test in the builds before."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from xenci.dashboard import queries_builds, queries_tests
from xenci.dashboard.site import site_of
from xenci.model.build import Run
from xenci.model.tests import TestStatus

router = APIRouter()
#: tests on a page; a whole run of Tempest has some 1,600
_PAGE = 2000


@router.get("/build/{uuid}/tests", response_class=HTMLResponse, include_in_schema=False)
def list_all(
    request: Request,
    uuid: str,
    run: str = "first",
    status: str = "",
    q: Annotated[str, Query(max_length=200)] = "",
) -> HTMLResponse:
    """List the tests of one run of a build."""
    site = site_of(request)
    run = run if run in set(Run) else str(Run.FIRST)
    status = status if status in set(TestStatus) else ""
    with site.database.session() as session:
        build = queries_builds.build_by_uuid(session, uuid)
        rows = queries_tests.tests_of(session, build, run=run, status=status, text=q.strip(), limit=_PAGE + 1)
        return site.page(
            request,
            session,
            "tests.html",
            build=build,
            run=run,
            chosen=status,
            q=q,
            rows=rows[:_PAGE],
            details=queries_tests.details_of(session, rows[:_PAGE]),
            has_more=len(rows) > _PAGE,
            by_run=queries_tests.status_counts(session, build),
            statuses=[str(status) for status in TestStatus],
        )


@router.get("/test", response_class=HTMLResponse, include_in_schema=False)
def show_one(request: Request, id: Annotated[str, Query(max_length=2000)]) -> HTMLResponse:
    """Show what became of one test, newest build first."""
    site = site_of(request)
    with site.database.session() as session:
        rows = queries_tests.runs_of_test(session, id, limit=100)
        return site.page(request, session, "test.html", test_id=id, rows=rows)
