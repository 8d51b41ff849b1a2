"""Every few seconds: looks at the rows and nudges what should be moving, so that nothing needs to be remembered.

The clock of each worker asks by one query whether a look is due: where nothing is under way that is all that it costs.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, and_, exists, or_, select, update

from xenci.model.build import BuildsetState, BuildState, ReportState
from xenci.model.node import LIVE_STATES, NodeState
from xenci.services.context import Context
from xenci.services.cost import EVERY as COST_EVERY
from xenci.services.engine import nudge, rescue
from xenci.services.repair import repair
from xenci.services.tidy import EVERY
from xenci.services.visits import keys_wanted
from xenci.store.images import is_moving
from xenci.store.marks import are_reports_paused, beat
from xenci.store.tables import AlarmRow, BuildRow, BuildsetRow, EventRow, HeartRow, ImageRow, NodeRow, ReportRow

#: node states in which nothing moves by itself
_STILL = {NodeState.READY, NodeState.IN_USE, NodeState.HOLD}
#: an alarm about a step that was not seen for so long is about nothing any more: its row moved on, or is gone
_PASSED = timedelta(minutes=5)
#: the heart of looks, and how often one is taken though nothing is under way
_LOOK, _QUIET = "look", timedelta(seconds=25)
#: after a look of any worker none is due for so long: less than a turn of a worker's clock
_JUST = timedelta(seconds=1.5)
#: an event that nobody has answered for so long is looked at again
_UNANSWERED = timedelta(seconds=10)


def clock(ctx: Context, _row: int = 0) -> None:
    """Have `tick` run if it is due, once for all workers, and see to it that no dead worker keeps its place."""
    with ctx.database.session() as session:
        if not session.scalar(select(_is_due(ctx.clock(), ctx.providers))):
            return
    rescue(ctx.database)
    with ctx.database.session() as session:
        nudge(session, "tick")


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
        # in the survey's order: two that give the same nudges never wait for each other in a circle
        for node in session.scalars(select(NodeRow.id).where(NodeRow.state.in_(moving)).order_by(NodeRow.id)):
            nudge(session, "node", node)
        for node in session.scalars(keys_wanted(at)):
            nudge(session, "node", node)
        nudge(session, "pool")
        for image in session.scalars(select(ImageRow.id).where(is_moving(ctx.providers))):
            nudge(session, "image", image)
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
        beat(session, "worker", at=at)
        beat(session, _LOOK, at=at)


def _is_due(at: datetime, providers: Iterable[str]) -> ColumnElement[bool]:
    """Ask whether a look is due: the last one was a while ago, or something is under way."""
    moving = (
        exists().where(BuildsetRow.state == BuildsetState.NEW),
        exists().where(BuildRow.state.in_([BuildState.QUEUED, BuildState.RUNNING])),
        exists().where(NodeRow.state.in_(LIVE_STATES - _STILL)),
        exists().where(is_moving(providers)),
        exists().where(ReportRow.state == ReportState.PENDING),
        exists().where(EventRow.outcome.is_(None), EventRow.change.is_not(None)),
        exists().where(AlarmRow.told_at.is_(None)),
    )
    return and_(~_looked(at, _JUST), or_(~_looked(at, _QUIET), *moving))


def _looked(at: datetime, since: timedelta) -> ColumnElement[bool]:
    # a look of the future is one of a clock that was set back since
    return exists().where(HeartRow.name == _LOOK, HeartRow.beat_at.between(at - since, at))


def unanswered(at: datetime) -> Select[int | None]:
    """Ask which changes have events that nobody has answered for a while."""
    return select(EventRow.change).where(
        EventRow.outcome.is_(None), EventRow.change.is_not(None), EventRow.received_at < at - _UNANSWERED
    )
