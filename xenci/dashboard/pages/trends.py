"""The pass rate by day, apart from our own faults; and how long waits, runs and reports take."""

from datetime import timedelta
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from xenci.dashboard import charts, queries_builds, queries_trends, sentences
from xenci.dashboard.pages.builds import address
from xenci.dashboard.queries_builds import Filters
from xenci.dashboard.site import site_of
from xenci.rules import statistics

router = APIRouter()
SPANS = {"14 days": 14, "30 days": 30, "90 days": 90, "1 year": 365}
Word = Annotated[str, Query(max_length=120)]


@router.get("/trends", response_class=HTMLResponse, include_in_schema=False)
def trends(
    request: Request, job: Word = "", branch: Word = "", cloud: Word = "", since: Word = "30 days"
) -> HTMLResponse:
    """Show the pass rate by day."""
    site = site_of(request)
    since = since if since in SPANS else "30 days"
    last = site.clock().date()
    first = last - timedelta(days=SPANS[since] - 1)
    begins = site.clock().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=SPANS[since] - 1)
    with site.database.session() as session:
        ended = queries_trends.ended_builds(session, since=begins, job=job, branch=branch, cloud=cloud)
        days = _from_first(statistics.by_day(ended, first, last))
        rate = statistics.rate(ended)
        most, pieces = charts.stacked(days)
        return site.page(
            request,
            session,
            "trends.html",
            opening=sentences.of_trends(rate),
            filters={"job": job, "branch": branch, "cloud": cloud, "since": since},
            values=queries_builds.known_values(session),
            spans=list(SPANS),
            days=days,
            rate=rate,
            curve=charts.rate_curve(days) if rate.share is not None else None,
            most=most,
            pieces=pieces,
            durations=queries_trends.durations(session, since=begins, job=job, branch=branch, cloud=cloud),
            builds=partial(address, Filters(job=job, branch=branch, cloud=cloud, ended=first.isoformat(), node="yes")),
        )


def _from_first(days: list[statistics.Day]) -> list[statistics.Day]:
    """Leave out the days before the first build: they are no gap, there was nothing yet. Today is always there."""
    begins = next((i for i, day in enumerate(days) if not day.is_gap), len(days) - 1)
    return days[begins:]
