"""One build: live while it runs; afterwards its verdict, the failing test with the lines around it, and the proofs."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from xenci.dashboard import again, cause, queries_builds, queries_tests, sentences
from xenci.dashboard.queries_builds import TestCounts
from xenci.dashboard.queries_tests import Failure
from xenci.dashboard.site import Site, site_of
from xenci.model.build import BuildState
from xenci.store.tables import BuildRow

router = APIRouter()


@router.get("/build/{uuid}", response_class=HTMLResponse, include_in_schema=False)
def build(request: Request, uuid: str) -> HTMLResponse:
    """Show a build."""
    site = site_of(request)
    with site.database.session() as session:
        row = queries_builds.build_by_uuid(session, uuid)
        failures = queries_tests.failures_of(session, row)
        return site.page(
            request,
            session,
            "build.html",
            **_live(session, row),
            failures=failures,
            lines=_cause(site, session, row, failures),
            commands=again.commands(site.settings, row, tuple(f.test.test_id for f in failures[:10])),
            keep=site.settings.artifacts.keep,
        )


@router.get("/build/{uuid}/live", response_class=HTMLResponse, include_in_schema=False)
def live(request: Request, uuid: str) -> HTMLResponse:
    """Draw the region that is polled while a build runs; when it has ended, the page is asked for anew."""
    site = site_of(request)
    with site.database.session() as session:
        row = queries_builds.build_by_uuid(session, uuid)
        headers = {"HX-Refresh": "true"} if row.state == BuildState.DONE else None
        return site.part("live.html", headers=headers, **_live(session, row))


def _live(session: Session, row: BuildRow) -> dict[str, Any]:
    counts = queries_builds.counts_of(session, [row.id]).get(row.id, TestCounts())
    expected = expected_of(row)
    by_run = queries_tests.status_counts(session, row)
    return {
        "build": row,
        "counts": counts,
        "expected": expected,
        "by_run": by_run,
        "opening": sentences.of_build(row, counts, expected),
        "unfinished": queries_tests.unfinished_of(session, row),
        "previous": [b for b in row.buildset.builds if b.job == row.job and b.id != row.id],
    }


def expected_of(row: BuildRow) -> int | None:
    """Return how many tests the first run is expected to have, if that is known."""
    first = row.counts.get("first")
    value = first.get("expected") if isinstance(first, dict) else None
    return value if isinstance(value, int) and value > 0 else None


def _cause(site: Site, session: Session, row: BuildRow, failures: list[Failure]) -> cause.Cause | None:
    """Look for the lines around the first failure, or else around the end of what took too long or broke."""
    chosen = next((f.test for f in failures if f.is_the_changes), failures[0].test if failures else None)
    names = [artifact.name for artifact in row.artifacts]
    if chosen is not None and chosen.finished_at is not None:
        span = cause.span_of(chosen.started_at, chosen.finished_at, queries_tests.previous_end(session, chosen))
        return cause.find(site.logs, row.uuid, names, span)
    broken = [p for p in row.phases if p.finished_at is not None and (p.exit_code or p.outcome)]
    if row.fault in (None, "none") or not broken:
        return None
    last = broken[-1]
    assert last.finished_at is not None
    return cause.find(site.logs, row.uuid, names, cause.span_of(last.started_at, last.finished_at, None))
