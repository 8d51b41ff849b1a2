"""What the nodes cost: this month against its budget, by day, by cloud and by build."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse

from xenci.dashboard import charts, queries_cost, sentences, twins, twins_cost
from xenci.dashboard.site import site_of
from xenci.rules.cost import Day
from xenci.rules.cost_forecast import METHOD

router = APIRouter()
SPANS = {"14 days": 14, "30 days": 30, "90 days": 90, "1 year": 365}
#: builds that the page lists
_BUILDS = 20
#: colours of the providers, in the order of their names; more of them begin anew
COLOURS = ("nova", "xen", "libvirtd", "qemu", "libxl")
Word = Annotated[str, Query(max_length=120)]


@router.get("/cost", response_class=HTMLResponse, include_in_schema=False)
def cost(request: Request, since: Word = "30 days") -> HTMLResponse:
    """Show what the nodes cost."""
    site = site_of(request)
    since = since if since in SPANS else "30 days"
    at = site.clock()
    with site.database.session() as session:
        found = queries_cost.costs_of(session, site.settings, at, days=SPANS[since])
        days = _from_first(found.days)
        names = sorted({name for day in days for name in day.parts})
        colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}
        most, pieces = charts.bars([[(n, part.money or 0.0) for n, part in day.parts.items()] for day in days])
        per_day = found.forecast.budget / ((found.forecast.ends - found.forecast.begins) / timedelta(days=1))
        return site.page(
            request,
            session,
            "cost.html",
            opening=sentences.of_cost(found.forecast, found.currency, has_price=found.has_price),
            costs=found,
            days=days,
            since=since,
            spans=list(SPANS),
            method=METHOD,
            per_day=per_day,
            most=most,
            pieces=pieces,
            colours=colours,
            builds=queries_cost.cost_of_builds(session, site.settings, at, limit=_BUILDS),
        )


@router.get("/api/cost")
def cost_twin(request: Request, since: Word = "30 days") -> JSONResponse:
    """Return what the nodes cost: this month against its budget, by day and by cloud; null where no price is known."""
    site = site_of(request)
    since = since if since in SPANS else "30 days"
    with site.database.session() as session:
        body = twins_cost.costs(queries_cost.costs_of(session, site.settings, site.clock(), days=SPANS[since]))
    head = {"is_lab": site.settings.is_lab, "at": twins.moment(site.clock())}
    return JSONResponse(head | {"since": since} | body)


def _from_first(days: list[Day]) -> list[Day]:
    """Leave out the days before the first node. Today is always there."""
    begins = next((i for i, day in enumerate(days) if day.whole.nodes), len(days) - 1)
    return days[begins:]
