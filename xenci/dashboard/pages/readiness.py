"""How far the driver is from Group B and Group A, criterion by criterion; and the rows behind every number."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse
from sqlalchemy.orm import Session

from xenci.dashboard import queries_readiness, queries_rows, sentences
from xenci.dashboard.site import Site, site_of
from xenci.errors import NotFound
from xenci.rules.readiness import blockers, count_met, measure
from xenci.rules.readiness_facts import CriterionState, Status

router = APIRouter()
TONES = {
    Status.MET: "good",
    Status.NOT_MET: "bad",
    Status.AT_RISK: "warn",
    Status.TOO_FEW: "none",
    Status.CANNOT: "none",
}
_GROUPS = (
    ("not met", (Status.NOT_MET,)),
    ("at risk, or not enough data yet", (Status.AT_RISK, Status.TOO_FEW)),
    ("met", (Status.MET,)),
    ("cannot be measured yet", (Status.CANNOT,)),
)


def states_of(site: Site, session: Session, now: datetime) -> list[CriterionState]:
    """Return the state of every criterion. Before our account's name was heard B11 cannot be said either way."""
    facts = queries_readiness.facts_of(session, site.settings, now)
    states = measure(facts, now)
    if facts.account_name:
        return states
    words = (
        "The name of our account in Gerrit is not known before its first comment was heard; the results tab reads it."
    )
    return [
        replace(one, status=Status.TOO_FEW, value="", why=words, links=())
        if one.id == "B11" and one.status is Status.NOT_MET
        else one
        for one in states
    ]


def grouped(states: list[CriterionState]) -> list[tuple[str, list[CriterionState]]]:
    """Return what blocks first, what is met later, what is unknown last."""
    groups = [(title, [one for one in states if one.status in statuses]) for title, statuses in _GROUPS]
    return [(title, members) for title, members in groups if members]


@router.get("/", response_class=HTMLResponse, include_in_schema=False)
def readiness(request: Request) -> HTMLResponse:
    """Show every criterion."""
    site = site_of(request)
    with site.database.session() as session:
        states = states_of(site, session, site.clock())
        b = [one for one in states if one.group == "B"]
        a = [one for one in states if one.group == "A"]
        return site.page(
            request,
            session,
            "readiness.html",
            opening=sentences.of_readiness(states),
            groups=[
                ("B", "Group B", b, count_met(states, "B"), grouped(b), blockers(states, "B")),
                ("A", "Group A", a, count_met(states, "A"), grouped(a), blockers(states, "A")),
            ],
            tones=TONES,
        )


@router.get("/criterion/{id}/{number}", response_class=HTMLResponse, include_in_schema=False)
def rows(request: Request, id: str, number: int) -> HTMLResponse:
    """List the rows that one number of a criterion is made of."""
    site = site_of(request)
    with site.database.session() as session:
        state = next((one for one in states_of(site, session, site.clock()) if one.id == id), None)
        if state is None:
            raise NotFound(f"no criterion is named {id[:20]!r}", remedy="see the list of criteria")
        if not 0 <= number < len(state.links):
            raise NotFound(f"{id} has no such rows now", remedy="the figures change as builds end: see the list again")
        link = state.links[number]
        return site.page(
            request,
            session,
            "criterion.html",
            criterion=state,
            link=link,
            tones=TONES,
            found=queries_rows.rows_of(session, link.kind, link.ids),
            in_words=sentences.in_words,
            of_buildset=sentences.of_buildset,
            of_patchset=sentences.of_patchset,
        )


@router.get("/api/readiness")
def twin(request: Request) -> JSONResponse:
    """Return the state of every criterion."""
    site = site_of(request)
    now = site.clock()
    with site.database.session() as session:
        states = states_of(site, session, now)
    met = {group: dict(zip(("met", "of"), count_met(states, group), strict=True)) for group in ("B", "A")}
    body: dict[str, Any] = {
        "is_lab": site.settings.is_lab,
        "at": now.isoformat(timespec="seconds"),
        "groups": met,
        "criteria": [
            {
                "id": one.id,
                "group": one.group,
                "title": one.title,
                "status": one.status,
                "value": one.value,
                "threshold": one.threshold,
                "why": one.why,
                "have": one.have,
                "need": one.need,
                "source": one.source,
                "rows": [{"text": link.text, "kind": link.kind, "ids": list(link.ids)} for link in one.links],
            }
            for one in states
        ],
    }
    return JSONResponse(body)
