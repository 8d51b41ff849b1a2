"""A few figures for Prometheus, written by hand: a registry of counters would forget at each restart what rows know."""

from collections.abc import Iterable
from datetime import datetime

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from xenci.dashboard import hearts, metrics_nodes, queries_builds, queries_cost, queries_events, queries_health
from xenci.dashboard.metrics_nodes import Figure, Samples
from xenci.dashboard.pages.health import disk_of
from xenci.dashboard.site import Site, site_of
from xenci.store.marks import open_alarms
from xenci.store.tables import ApiCallRow, BuildRow, StrayRow

router = APIRouter()


@router.get("/metrics", include_in_schema=False)
def metrics(request: Request) -> Response:
    """Return the figures in Prometheus' text format."""
    site = site_of(request)
    with site.database.session() as session:
        figures = [*_figures(site, session), *metrics_nodes.figures(session, site.settings, site.clock())]
        text = "".join(_head(name, kind, words) + _lines(name, samples) for name, kind, words, samples in figures)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


def _head(name: str, kind: str, words: str) -> str:
    """Return the lines before a figure; the parts of a histogram have none of their own."""
    return f"# HELP xenci_{name} {words}\n# TYPE xenci_{name} {kind}\n" if kind else ""


def _figures(site: Site, session: Session) -> Iterable[Figure]:
    now = site.clock()
    queue = queries_builds.queue_counts(session)
    outbox = queries_health.outbox(session)
    yield "builds_waiting", "gauge", "Builds without a node.", [({}, queue.waiting)]
    yield "builds_running", "gauge", "Builds on a node.", [({}, queue.running)]
    yield "builds_ended_total", "counter", "Builds that ended, by result and fault.", _ended(session)
    found = [({"found_by": str(one)}, number) for one, number in queries_events.found_counts(session).items()]
    yield "runs_found", "gauge", "Runs, by what announced them; events-log and reconcile were missed.", found
    yield "strays", "gauge", "Things of ours in the clouds that no row accounts for.", _strays(session)
    yield "cloud_requests_total", "counter", "Requests to the clouds' APIs.", _requests(session)
    yield "alarms_open", "gauge", "Alarms that want a person.", [({}, len(open_alarms(session)))]
    yield "reports_waiting", "gauge", "Comments that Gerrit does not have yet.", [({}, outbox.pending)]
    yield "reports_paused", "gauge", "Whether posting is paused.", [({}, float(outbox.is_paused))]
    yield "reports_posted_total", "counter", "Comments that were posted.", [({}, outbox.posted)]
    beats = hearts.judge(queries_health.all_hearts(session), now)
    ages = [({"loop": b.name}, (now - b.beat_at).total_seconds()) for b in beats if b.beat_at is not None]
    yield "heart_age_seconds", "gauge", "Age of the last sign of life of the loops that must live.", ages
    yield "disk_free_bytes", "gauge", "Free space where logs are kept.", [({}, disk_of(site).free_gb * 1e9)]
    yield from _cost(site, session, now)


def _cost(site: Site, session: Session, now: datetime) -> Iterable[tuple[str, str, str, Samples]]:
    """What is not known, as nobody told a price, has no sample; never 0."""
    found = queries_cost.costs_of(session, site.settings, now, days=1)
    in_ = {"currency": found.currency}
    told = found.forecast
    kinds = [
        ({**in_, "provider": k.provider, "label": k.label}, k.whole.money)
        for k in found.kinds
        if k.whole.money is not None
    ]
    yield "cost_today", "gauge", "What the nodes have cost since midnight UTC.", kinds
    yield "cost_month", "gauge", "What the nodes have cost this month.", _known(in_, told.spent.money)
    yield "cost_month_forecast", "gauge", "What the month is going to cost.", _known(in_, told.expected)
    yield "cost_month_budget", "gauge", "The month's share of the year's budget.", _known(in_, told.budget)
    hours = [({"provider": k.provider, "label": k.label}, k.whole.unpriced) for k in found.kinds]
    yield "cost_unpriced_hours_today", "gauge", "Node hours without a price since midnight UTC.", hours


def _known(labels: dict[str, str], value: float | None) -> Samples:
    return [] if value is None else [(labels, value)]


def _ended(session: Session) -> Samples:
    rows = session.execute(
        select(BuildRow.result, BuildRow.fault, func.count())
        .where(BuildRow.result.is_not(None))
        .group_by(BuildRow.result, BuildRow.fault)
        .order_by(BuildRow.result, BuildRow.fault)
    )
    return [({"result": result or "", "fault": fault or ""}, number) for result, fault, number in rows]


def _strays(session: Session) -> Samples:
    query = select(StrayRow.provider, StrayRow.kind, func.count()).where(StrayRow.deleted_at.is_(None))
    rows = session.execute(query.group_by(StrayRow.provider, StrayRow.kind).order_by(StrayRow.provider, StrayRow.kind))
    return [({"provider": provider, "kind": kind}, number) for provider, kind, number in rows]


def _requests(session: Session) -> Samples:
    rows = session.scalars(select(ApiCallRow).order_by(ApiCallRow.provider, ApiCallRow.call, ApiCallRow.request))
    return [({"provider": row.provider, "call": row.call, "request": row.request}, row.count) for row in rows]


def _lines(name: str, samples: Samples) -> str:
    return "".join(f"xenci_{name}{_labels(labels)} {value:.15g}\n" for labels, value in samples)


def _labels(labels: dict[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items()) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
