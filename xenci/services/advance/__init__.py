"""A build's course on its node, one short repeatable step at a time: `advance(build)`.

`tree → nova → tempest`, and where tests fail `again → tip-tree → tip-nova → tip-tempest`, then `collect → judge`. Where
Nova does not start: `again-nova`, and then the tip. Each step looks first: whatever it finds done it takes as done. So
xenci may be killed at any moment; the phases on the node are units of its systemd and do not notice.
"""

from datetime import timedelta

import structlog
from sqlalchemy import func, select

from xenci.errors import Permanent
from xenci.gerrit.fields import storable
from xenci.host.port import HostKeyChanged, HostLost
from xenci.model.build import BuildState
from xenci.model.node import NodeState
from xenci.services.advance import course, judge
from xenci.services.advance.work import Next, Work, is_over, read_work
from xenci.services.context import Context
from xenci.services.engine import defer
from xenci.services.fence import fenced
from xenci.store.marks import back_at
from xenci.store.tables import BuildRow, PhaseRow

_LOG = structlog.get_logger()
#: a node that does not answer for so long is lost
LOST_AFTER = timedelta(minutes=5)
#: a phase that fails on and on past its deadline is given up after so long
_OVERDUE = timedelta(minutes=5)
#: what fails on and on between two phases, or after the last, is given up so long after the one before has ended
_BETWEEN = timedelta(minutes=30)
_RETRY = timedelta(seconds=5)
#: first half of the advisory lock's key; the second is the build's id
_LOCK = 0x6275


class Overdue(Permanent):
    """A step fails on and on, past its phase's deadline."""


def advance(ctx: Context, build_id: int) -> None:
    """Take a build further, until something must be waited for. Repeatable, and one at a time by an advisory lock."""
    with fenced(ctx.database, _LOCK, build_id) as is_mine:
        while is_mine and _advance(ctx, build_id):
            pass


def _advance(ctx: Context, build_id: int) -> bool:
    """Take one step, and tell whether the next can follow at once. Each leads on, to itself only after a pause."""
    with ctx.database.session() as session:
        build = session.get(BuildRow, build_id)
        if build is None or build.state != BuildState.RUNNING:
            return False
        work = read_work(ctx, session, build)
    if work.cancel:
        judge.abort(ctx, work, work.cancel)
        return False
    if work.node.state in (NodeState.DELETING, NodeState.DELETED) and work.step != "judge":
        judge.lose_node(ctx, work, work.node.reason or "the node is gone")
        return False
    try:
        return _write(ctx, work, course.STEPS[work.step](ctx, work))
    except HostLost as error:
        _lost(ctx, work, error)
    except HostKeyChanged as error:
        judge.lose_node(ctx, work, error.sentence)
    except Permanent as error:
        judge.give_up(ctx, work, error)
    except Exception as error:
        # whatever it is: no build lasts for longer than its deadlines
        if not _is_overdue(ctx, build_id):
            raise
        _LOG.exception("build.overdue", build=build_id, step=work.step)
        judge.give_up(ctx, work, Overdue(storable(f"step {work.step}: {type(error).__name__}: {error}")))
    return False


def _is_overdue(ctx: Context, build_id: int) -> bool:
    """Tell whether a phase is long past its deadline; where none is under way, whether the last ended long ago."""
    of_build, is_open = PhaseRow.build_id == build_id, PhaseRow.finished_at.is_(None)
    with ctx.database.session() as session:
        deadline = session.scalar(select(func.min(PhaseRow.deadline_at)).where(of_build, is_open))
        ended_at = session.scalar(select(func.max(PhaseRow.finished_at)).where(of_build))
        began_at = session.scalar(select(BuildRow.started_at).where(BuildRow.id == build_id))
    if deadline is not None:
        return is_over(ctx, deadline + _OVERDUE)
    since = ended_at or began_at
    return since is not None and is_over(ctx, since + _BETWEEN)


def _write(ctx: Context, work: Work, following: Next | None) -> bool:
    """Write where the build goes next (None: it has ended); tell whether it goes at once, else nudge it for later."""
    if following is None:
        return False
    with ctx.database.session() as session:
        build = session.get_one(BuildRow, work.build_id, with_for_update=True)
        if build.state != BuildState.RUNNING:
            return False
        if build.step != following.step:
            _LOG.info("build.step", build=build.id, step=following.step)
        build.step = following.step
        if following.doing is not None:
            build.doing = following.doing
        build.memory = {k: v for k, v in build.memory.items() if k != "lost_since"}
        if following.after or following.step == work.step:
            defer(session, "advance", build.id, after=following.after)
            return False
    return True


def _lost(ctx: Context, work: Work, error: HostLost) -> None:
    """The node does not answer: wait, for it may be busy; after a while in which it was asked it is lost."""
    at = ctx.clock()
    now = at.timestamp()
    with ctx.database.session() as session:
        build = session.get_one(BuildRow, work.build_id, with_for_update=True)
        back = back_at(session, at=at)
        since = max(float(build.memory.get("lost_since", now)), back.timestamp() if back else 0.0)
        build.memory = {**build.memory, "lost_since": since}
        defer(session, "advance", build.id, after=_RETRY)
    _LOG.info("build.node_silent", build=work.build_id, seconds=round(now - since), error=error.sentence)
    if now - since > LOST_AFTER.total_seconds():
        judge.lose_node(ctx, work, f"the node has not answered for {LOST_AFTER.total_seconds() / 60:g} min")
