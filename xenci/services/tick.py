"""Every few seconds: looks at the rows and nudges what should be moving, so that nothing needs to be remembered."""

from datetime import datetime, timedelta

from sqlalchemy import Select, select, update

from xenci.model.build import BuildsetState, BuildState, ReportState
from xenci.model.node import LIVE_STATES, NodeState
from xenci.services.context import Context
from xenci.services.cost import EVERY as COST_EVERY
from xenci.services.engine import nudge
from xenci.services.repair import repair
from xenci.services.tidy import EVERY
from xenci.store.marks import LIFE, are_reports_paused, beat
from xenci.store.tables import AlarmRow, BuildRow, BuildsetRow, EventRow, HeartRow, NodeRow, ReportRow

#: node states in which nothing moves by itself
_STILL = {NodeState.READY, NodeState.IN_USE, NodeState.HOLD}
#: an alarm about a step that was not seen for so long is about nothing any more: its row moved on, or is gone
_PASSED = timedelta(minutes=5)
#: an event that nobody has answered for so long is looked at again
_UNANSWERED = timedelta(seconds=10)


def tick(ctx: Context, _row: int = 0) -> None:
    """Nudge every row that is not at its end. Repeatable."""
    at = ctx.clock()
    repair(ctx)
    with ctx.database.session() as session:
        for buildset in session.scalars(select(BuildsetRow.id).where(BuildsetRow.state == BuildsetState.NEW)):
            nudge(session, "prepare", buildset)
        for build in session.scalars(select(BuildRow.id).where(BuildRow.state == BuildState.RUNNING)):
            nudge(session, "advance", build)
        if session.scalar(select(BuildRow.id).where(BuildRow.state == BuildState.QUEUED).limit(1)) is not None:
            nudge(session, "dispatch")
        moving = LIVE_STATES - _STILL
        for node in session.scalars(select(NodeRow.id).where(NodeRow.state.in_(moving))):
            nudge(session, "node", node)
        nudge(session, "pool")
        due = select(ReportRow.id).where(ReportRow.state == ReportState.PENDING, ReportRow.next_at <= at)
        # resume nudges what waited
        for report in session.scalars(due) if not are_reports_paused(session) else ():
            nudge(session, "report", report)
        for change in set(session.scalars(unanswered(at))):
            if change is not None:
                nudge(session, "consider", change)
        looked = session.get(HeartRow, "reconcile")
        if looked is None or at - looked.beat_at > ctx.settings.gerrit.reconcile_every:
            nudge(session, "reconcile")
        tidied = session.get(HeartRow, "tidy")
        if tidied is None or at - tidied.beat_at > EVERY:
            nudge(session, "tidy")
        counted = session.get(HeartRow, "cost")
        if counted is None or at - counted.beat_at > COST_EVERY:
            nudge(session, "cost")
        passed = (AlarmRow.key.startswith("step:"), AlarmRow.closed_at.is_(None), AlarmRow.seen_at < at - _PASSED)
        session.execute(update(AlarmRow).where(*passed).values(closed_at=at))
        if session.scalar(select(AlarmRow.id).where(AlarmRow.told_at.is_(None)).limit(1)) is not None:
            nudge(session, "webhook")
        for heart in ("worker", LIFE):
            beat(session, heart, at=at)


def unanswered(at: datetime) -> Select[int | None]:
    """Ask which changes have events that nobody has answered for a while."""
    return select(EventRow.change).where(
        EventRow.outcome.is_(None), EventRow.change.is_not(None), EventRow.received_at < at - _UNANSWERED
    )
