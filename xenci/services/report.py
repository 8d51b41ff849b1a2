"""The outbox: says in Gerrit what a buildset's verdict is, once, for as long as it takes.

Posting is not idempotent and an answer may be lost, so our link is looked for in the change's messages before each
try. What must not be said any more (closed, a newer patch set) is dropped, and the row says why.
"""

from datetime import timedelta

import structlog
from sqlalchemy import select

from xenci.errors import NotFound, Permanent, XenciError
from xenci.gerrit.failures import VoteNotTaken
from xenci.gerrit.port import ChangeView
from xenci.model.build import ReportState
from xenci.model.change import Account
from xenci.services.context import Context
from xenci.services.engine import defer
from xenci.services.fence import fenced
from xenci.store.marks import are_reports_paused, clear_alarm, raise_alarm
from xenci.store.tables import BuildsetRow, CommentRow, ReportRow

_LOG = structlog.get_logger()
#: first half of the advisory lock's key; the second is the report's id
_LOCK = 0x7265706F
_LONGEST = timedelta(minutes=10)
#: begin of the reason of a report that is dropped with its change
CLOSED = "the change is "
#: tries after which the health page says that a report does not get through
_PATIENCE = 3


def report(ctx: Context, report_id: int) -> None:
    """Bring one report into Gerrit, or say why not yet. Repeatable, and one at a time by an advisory lock."""
    with fenced(ctx.database, _LOCK, report_id) as is_mine:
        if is_mine:
            _report(ctx, report_id)


def _report(ctx: Context, report_id: int) -> None:
    with ctx.database.session() as session:
        row = session.get_one(ReportRow, report_id)
        if row.state != ReportState.PENDING or are_reports_paused(session) or row.next_at > ctx.clock():
            return
        buildset = row.buildset
        patchset = buildset.patchset
        change = patchset.change
    try:
        view = ctx.gerrit.change(change.number, project=change.project)
        posted = _find(view, buildset, ctx.me)
        if posted is None and (why := _is_pointless(view, patchset.number)) is not None:
            _drop(ctx, report_id, why)
            return
        if posted is None and _is_paused(ctx):
            return
        if posted is None:
            ctx.gerrit.review(
                change.number, patchset.sha, message=row.message, vote=row.vote, tag=row.tag, project=change.project
            )
            _LOG.info("report.posted", change=change.number, patchset=patchset.number, vote=row.vote)
            posted = ""
        _done(ctx, report_id, posted)
    except VoteNotTaken as error:
        _without_vote(ctx, report_id, error)
    except NotFound as error:
        _drop(ctx, report_id, f"Gerrit does not show the change: {error.sentence}")
    except XenciError as error:
        _again(ctx, report_id, error)


def _find(view: ChangeView, buildset: BuildsetRow, me: Account) -> str | None:
    """Return the id of our message about this buildset, if Gerrit has it: our link is in it. Anybody may write it."""
    ours = (message for message in view.messages if message.author.username == me.username)
    return next((message.id for message in ours if buildset.uuid in message.text), None)


def _is_paused(ctx: Context) -> bool:
    """Look once more, at the last moment: a pause means from now on."""
    with ctx.database.session() as session:
        return are_reports_paused(session)


def _is_pointless(view: ChangeView, patchset: int) -> str | None:
    if view.patchset.status != "NEW":
        return f"{CLOSED}{view.patchset.status.lower()}"
    if view.patchset.number != patchset:
        return f"patch set {view.patchset.number} came"
    return None


def _done(ctx: Context, report_id: int, message_id: str) -> None:
    with ctx.database.session() as session:
        row = session.get_one(ReportRow, report_id, with_for_update=True)
        row.state, row.reason = ReportState.POSTED, ""
        row.posted_at = row.posted_at or ctx.clock()
        row.message_id = message_id or None
        row.attempts += 1
        change = row.buildset.patchset.change.number
        clear_alarm(session, f"report:{report_id}", at=ctx.clock())
        clear_alarm(session, f"vote:{change}", at=ctx.clock())
        if message_id:
            own = select(CommentRow.id).where(CommentRow.change == change, CommentRow.message_id == message_id)
            if session.scalar(own) is None:
                session.add(_comment(ctx, row, change, message_id))
        else:
            # what we said is read back, so that the count of our comments is Gerrit's and not our own
            defer(session, "consider", change)


def _without_vote(ctx: Context, report_id: int, error: VoteNotTaken) -> None:
    """The comment is there and its vote is not: that is no success, and no further try would mend it."""
    with ctx.database.session() as session:
        row = session.get_one(ReportRow, report_id, with_for_update=True)
        row.state, row.posted_at, row.vote = ReportState.POSTED, ctx.clock(), None
        row.reason = error.sentence
        row.attempts += 1
        row.buildset.vote = None
        raise_alarm(
            session,
            f"vote:{row.buildset.patchset.change.number}",
            brief="Gerrit took a comment without its vote",
            detail=error.sentence,
            remedy="look at the account's right to vote on the project; then `recheck`",
            at=ctx.clock(),
        )
        defer(session, "consider", row.buildset.patchset.change.number)


def _comment(ctx: Context, row: ReportRow, change: int, message_id: str) -> CommentRow:
    return CommentRow(
        change=change,
        patchset=row.buildset.patchset.number,
        message_id=message_id,
        author=ctx.me.username,
        posted_at=row.posted_at,
        kind="ours",
        text=row.message[:2000],
    )


def _drop(ctx: Context, report_id: int, why: str) -> None:
    with ctx.database.session() as session:
        row = session.get_one(ReportRow, report_id, with_for_update=True)
        row.state, row.reason = ReportState.DROPPED, why
        clear_alarm(session, f"report:{report_id}", at=ctx.clock())
    _LOG.info("report.dropped", report=report_id, reason=why)


def _again(ctx: Context, report_id: int, error: XenciError) -> None:
    """Gerrit did not take it: try again later, for as long as the change is open; tell a person after some tries."""
    with ctx.database.session() as session:
        row = session.get_one(ReportRow, report_id, with_for_update=True)
        row.attempts += 1
        row.reason = error.sentence
        wait = _LONGEST if isinstance(error, Permanent) else min(_LONGEST, timedelta(seconds=2 ** min(row.attempts, 9)))
        row.next_at = ctx.clock() + wait
        defer(session, "report", report_id, after=wait)
        if row.attempts >= _PATIENCE or isinstance(error, Permanent):
            raise_alarm(
                session,
                f"report:{report_id}",
                brief="A report does not get into Gerrit",
                detail=f"change {row.buildset.patchset.change.number}, try {row.attempts}: {error.sentence}",
                remedy=error.remedy or "it is tried again by itself for as long as the change is open",
                at=ctx.clock(),
            )
    _LOG.warning("report.failed", report=report_id, error=error.sentence)
