"""The figures of nodes, launches, circuits and holds for Prometheus; rows are counted, so no restart forgets any."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from xenci.config.models import Settings
from xenci.dashboard.queries_pool import Pool, pool_of
from xenci.model.node import LIVE_STATES, LaunchFailure
from xenci.model.pool import OverrideKind
from xenci.rules.breaker import BreakerState
from xenci.store.tables import ImageRow, NodeRow

#: a figure's name, kind, words and samples; a sample's name may have an ending, as a histogram's have
Samples = Iterable[tuple[dict[str, str], float]]
Figure = tuple[str, str, str, Samples]

#: upper ends of the histogram of a launch's phases, in seconds: from a stand-in's to an emulated Xen host's
BOUNDS = (5, 15, 30, 60, 120, 240, 480, 720, 1200, 2400)
_PHASES = {
    "boot": (NodeRow.created_at, NodeRow.active_at),
    "ssh": (NodeRow.active_at, NodeRow.ssh_at),
    "xen": (NodeRow.ssh_at, NodeRow.ready_at),
    "whole": (NodeRow.created_at, NodeRow.ready_at),
}
_STATES = {BreakerState.CLOSED: 0.0, BreakerState.HALF_OPEN: 1.0, BreakerState.OPEN: 2.0}


def figures(session: Session, settings: Settings, now: datetime) -> Iterable[Figure]:
    """Return the figures of the pool."""
    pool = pool_of(session, settings, now)
    yield "nodes", "gauge", "Servers of ours, by provider, label and state.", _nodes(session)
    yield from _launch_times(session)
    words = "Launches that failed, by provider, label and reason."
    yield "launch_failures_total", "counter", words, _failures(session)
    words = "Circuits of launches that fail: 0 closed, 1 half open, 2 open; none while all is well."
    yield "breaker_state", "gauge", words, _breakers(pool)
    yield from _capacity(pool)
    yield "images", "gauge", "Node images, by provider, label and state.", _images(session)
    held = [one for one in pool.holds if one.began_at is not None]
    yield "holds", "gauge", "Nodes that are held for people.", [({}, len(held))]
    left = sum(one.left for one in pool.autoholds)
    yield "autoholds_left", "gauge", "Nodes that automatic holds still hold.", [({}, left)]


def _nodes(session: Session) -> Samples:
    columns = (NodeRow.provider, NodeRow.label, NodeRow.state)
    query = select(*columns, func.count()).where(NodeRow.state.in_(LIVE_STATES)).group_by(*columns).order_by(*columns)
    for provider, label, state, number in session.execute(query):
        yield {"provider": provider, "label": label, "state": state}, number


def _images(session: Session) -> Samples:
    columns = (ImageRow.provider, ImageRow.label, ImageRow.state)
    for provider, label, state, number in session.execute(select(*columns, func.count()).group_by(*columns)):
        yield {"provider": provider, "label": label, "state": state}, number


def _failures(session: Session) -> Samples:
    columns = (NodeRow.provider, NodeRow.label, NodeRow.failure)
    query = select(*columns, func.count()).where(NodeRow.failure.in_(list(LaunchFailure))).group_by(*columns)
    for provider, label, failure, number in session.execute(query.order_by(*columns)):
        yield {"provider": provider, "label": label, "reason": failure or ""}, number


def _launch_times(session: Session) -> Iterable[Figure]:
    """Return a histogram of each phase: how long it took where it came to its end."""
    buckets: list[tuple[dict[str, str], float]] = []
    sums: list[tuple[dict[str, str], float]] = []
    counts: list[tuple[dict[str, str], float]] = []
    for phase, (begin, end) in _PHASES.items():
        took: ColumnElement[Any] = func.extract("epoch", end - begin)
        within = [func.count().filter(took <= bound) for bound in BOUNDS]
        query = select(NodeRow.provider, NodeRow.label, func.count(), func.sum(took), *within)
        query = query.where(begin.is_not(None), end.is_not(None))
        grouped = query.group_by(NodeRow.provider, NodeRow.label).order_by(NodeRow.provider, NodeRow.label)
        for provider, label, count, total, *below in session.execute(grouped):
            of = {"phase": phase, "provider": provider, "label": label}
            buckets += _buckets(of, count, below)
            sums.append((of, float(total)))
            counts.append((of, count))
    yield "launch_seconds", "histogram", "How long the phases of launches took.", ()
    yield "launch_seconds_bucket", "", "", buckets
    yield "launch_seconds_sum", "", "", sums
    yield "launch_seconds_count", "", "", counts


def _buckets(of: dict[str, str], count: int, below: Sequence[int]) -> Samples:
    for bound, number in zip(BOUNDS, below, strict=True):
        yield of | {"le": str(bound)}, number
    yield of | {"le": "+Inf"}, count


def _breakers(pool: Pool) -> Samples:
    for one in pool.circuits:
        of = {"provider": one.provider, "label": one.label, "reason": str(one.breaker.reason)}
        yield of, _STATES[one.state]


def _capacity(pool: Pool) -> Iterable[Figure]:
    limits = [({"provider": p.provider.name}, float(p.max_servers)) for p in pool.providers]
    yield "provider_servers_most", "gauge", "Servers that we want at most: max_servers, or an operator's word.", limits
    drained = [({"provider": p.provider.name}, float(p.drain is not None)) for p in pool.providers]
    yield "provider_drained", "gauge", "Whether an operator has drained the provider.", drained
    quotas = [
        ({"provider": p.provider.name}, float(p.told.quota))
        for p in pool.providers
        if p.told is not None and p.told.quota is not None
    ]
    yield "quota_servers", "gauge", "Servers that the quota lets us have; none where the cloud names no limit.", quotas
    used = [({"provider": p.provider.name}, float(p.told.servers)) for p in pool.providers if p.told is not None]
    yield "quota_servers_used", "gauge", "Servers of ours that the cloud listed last.", used
    for name, said, values in (
        ("label_min_ready", "Nodes that are kept ready.", [(one.label.name, one.min_ready) for one in pool.labels]),
        ("label_max_nodes", "Nodes at most.", [(one.label.name, one.max_nodes) for one in pool.labels]),
        ("label_waiting", "Builds that wait for a node.", [(one.label.name, one.waiting) for one in pool.labels]),
    ):
        yield name, "gauge", said, [({"label": label}, float(value)) for label, value in values]
    overridden = [
        ({"name": word.name, "kind": str(word.kind)}, 1.0)
        for words in (*(one.words for one in pool.providers), *(one.words for one in pool.labels))
        for word in words
        if word.kind is not OverrideKind.DRAIN
    ]
    yield "pool_overrides", "gauge", "Figures that an operator set in place of the configuration's.", overridden
