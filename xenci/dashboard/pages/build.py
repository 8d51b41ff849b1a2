"""One build: live while it runs; afterwards its verdict, the failing test with the lines around it, and the proofs."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from xenci.dashboard import again, cause, proofs, queries_builds, queries_tests, sentences
from xenci.dashboard.files import files_of
from xenci.dashboard.queries_builds import TestCounts
from xenci.dashboard.queries_tests import Failure
from xenci.dashboard.site import Site, site_of
from xenci.model.build import BuildState, Phase, Run
from xenci.model.outcome import Fault
from xenci.store.tables import BuildRow, PhaseRow

router = APIRouter()
#: lines that are shown of a start of Nova that failed
_LAST = 25
#: failed tests in the commands to do a build again
_AGAIN = 10


@router.get("/build/{uuid}", response_class=HTMLResponse, include_in_schema=False)
def build(request: Request, uuid: str) -> HTMLResponse:
    """Show a build."""
    site = site_of(request)
    with site.database.session() as session:
        row = queries_builds.build_by_uuid(session, uuid)
        failures = queries_tests.failures_of(session, row)
        span = _span(session, row, failures)
    # without a session: large files take a while
    here = files_of(site.logs.store, row)
    names = [file.name for file in here if not file.is_gone]
    lines = cause.find(site.logs, row.uuid, names, span) if span else None
    last_words = _last_words(site, row)
    with site.database.session() as session:
        return site.page(
            request,
            session,
            "build.html",
            **_live(session, row),
            failures=failures,
            lines=lines,
            last_words=last_words,
            files=here,
            proofs=proofs.runs(row.proof),
            told=proofs.told,
            commands=again.commands(site.settings, row, tuple(f.test.test_id for f in failures[:_AGAIN])),
            again_most=_AGAIN,
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
    usual = queries_builds.usual_tests(session, row.job) if row.state != BuildState.DONE else None
    return {
        "build": row,
        "counts": counts,
        "usual": usual,
        "by_run": queries_tests.status_counts(session, row),
        "never_started": _never_started(row),
        "opening": sentences.of_build(row, counts, usual),
        "unfinished": queries_tests.unfinished_of(session, row),
        "attempts": [b for b in row.buildset.builds if b.job == row.job and b.id != row.id],
    }


def _never_started(row: BuildRow) -> int:
    """Return how many names of the job's list were not seen at all in the first run."""
    first = row.counts.get(Run.FIRST)
    number = first.get("never_started") if isinstance(first, dict) else None
    return number if isinstance(number, int) else 0


def _span(session: Session, row: BuildRow, failures: list[Failure]) -> tuple[datetime, datetime] | None:
    """Return the time to look at: around the first failure, or else around the end of the phase that broke."""
    if row.fault in (None, Fault.NONE) and not failures:
        return None
    chosen = failures[0].test if failures else None
    if chosen is not None and chosen.finished_at is not None:
        return cause.span_of(chosen.started_at, chosen.finished_at, queries_tests.previous_end(session, chosen))
    broken = _broken(row)
    if broken is None or broken.finished_at is None:
        return None
    return cause.span_of(broken.started_at, broken.finished_at, None)


def _broken(row: BuildRow) -> PhaseRow | None:
    """Return the first phase that ended otherwise than well."""
    ended = [phase for phase in row.phases if phase.finished_at is not None]
    return next((phase for phase in ended if phase.exit_code != 0 and phase.phase in set(Phase)), None)


def _last_words(site: Site, row: BuildRow) -> tuple[str, list[str]] | None:
    """Return name and last lines of what Nova's start printed, if that is where it ended."""
    broken = _broken(row)
    if broken is None or broken.phase != Phase.NOVA:
        return None
    name = f"console/{broken.phase}-{broken.run}.log"
    lines = site.logs.tail(row.uuid, name, count=_LAST)
    return (name, lines) if lines else None
