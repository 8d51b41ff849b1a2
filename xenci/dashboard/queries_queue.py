"""What the page of the queue looks up: what waits, in order and why, what runs, and what is being prepared."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from xenci.config.models import Settings
from xenci.model.build import BuildsetState
from xenci.model.node import LIVE_STATES, NodeState
from xenci.model.pool import OverrideKind
from xenci.rules.waiting import LabelNodes, why_waits
from xenci.store.overrides import figure, read_overrides
from xenci.store.queue import running, waiting_in_order
from xenci.store.tables import AlarmRow, BuildRow, BuildsetRow, NodeRow, PatchsetRow

_COMING = (NodeState.BUILDING, NodeState.TESTING)


@dataclass(frozen=True, slots=True, kw_only=True)
class InQueue:
    """A build that waits, with its place."""

    place: int
    build: BuildRow
    label: str
    priority: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """All that is under way."""

    waiting: Sequence[InQueue]
    running: Sequence[BuildRow]
    #: buildsets whose trees are being made, the oldest first
    preparing: Sequence[BuildsetRow]


def queue_of(session: Session, settings: Settings, now: datetime) -> Queue:
    """Return the queue in the order in which it will be dispatched."""
    labels = {job.name: job.label for job in settings.jobs}
    nodes = nodes_by_label(session, settings)
    short = select(AlarmRow.id).where(AlarmRow.key == "disk", AlarmRow.closed_at.is_(None))
    is_disk_short = session.scalar(short) is not None
    before: Counter[str] = Counter()
    rows = []
    for place, build in enumerate(waiting_in_order(session, settings, now), start=1):
        label = labels[build.job]
        counted = nodes.get(label) or LabelNodes(most=0)
        rows.append(
            InQueue(
                place=place,
                build=build,
                label=label,
                priority=settings.pipeline(build.buildset.pipeline).priority,
                why=why_waits(label, counted, before[label], is_disk_short=is_disk_short),
            )
        )
        before[label] += 1
    return Queue(waiting=rows, running=running(session), preparing=_preparing(session))


def nodes_by_label(session: Session, settings: Settings) -> dict[str, LabelNodes]:
    """Count the nodes of each configured label."""
    words = read_overrides(session)
    query = select(NodeRow.label, NodeRow.state, func.count()).where(NodeRow.state.in_(LIVE_STATES))
    counts = {
        (label, state): number for label, state, number in session.execute(query.group_by(NodeRow.label, NodeRow.state))
    }
    return {
        one.name: LabelNodes(
            ready=counts.get((one.name, NodeState.READY), 0),
            coming=sum(counts.get((one.name, state), 0) for state in _COMING),
            in_use=counts.get((one.name, NodeState.IN_USE), 0),
            held=counts.get((one.name, NodeState.HOLD), 0),
            most=figure(words, OverrideKind.MAX_NODES, one.name, one.max_nodes),
        )
        for one in settings.labels
    }


def _preparing(session: Session) -> Sequence[BuildsetRow]:
    query = select(BuildsetRow).where(BuildsetRow.state == BuildsetState.NEW).order_by(BuildsetRow.id)
    return session.scalars(query.options(joinedload(BuildsetRow.patchset).joinedload(PatchsetRow.change))).all()
