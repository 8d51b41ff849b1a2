"""Looks at one change in Gerrit and starts what it asks for: the one way in, for stream, reconciliation and operator.

An event of the stream is a hint: it says which change to look at, and what was asked. What counts is what Gerrit
answers now, so an event that was lost, doubled or out of order does no harm.
"""

import json
import secrets
from collections.abc import Sequence
from datetime import timedelta

import structlog
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from xenci.errors import NotFound
from xenci.gerrit.parse import parse_event
from xenci.gerrit.port import ChangeView, Event
from xenci.model.build import BuildsetState, FoundBy, ReportState
from xenci.model.change import Patchset
from xenci.model.outcome import SILENT
from xenci.rules.trigger import Decision, Heard, Ignore, KnownRun, Run, Seen, decide, reconcile
from xenci.services.context import Context
from xenci.services.engine import defer
from xenci.services.record import lock_change, save_comments, save_patchset
from xenci.services.report import CLOSED
from xenci.services.withdraw import WITHDRAWN, close_alarms, unfinished, withdraw, withdraw_outdated
from xenci.store.tables import BuildsetRow, ChangeRow, EventRow, PatchsetRow

_LOG = structlog.get_logger()
#: what a run is known by counts as the best that announced it
_LESS_THAN = {
    FoundBy.STREAM: (FoundBy.EVENTS_LOG, FoundBy.RECONCILE),
    FoundBy.EVENTS_LOG: (FoundBy.RECONCILE,),
}


def consider(ctx: Context, number: int) -> None:
    """Fetch a change from Gerrit and start the runs that it lacks. Repeatable; `number` is Gerrit's."""
    with ctx.database.session() as session:
        project = _project(session, number)
    try:
        view = ctx.gerrit.change(number, project=project)
    except NotFound as error:
        with ctx.database.session() as session:
            for buildset in unfinished(session, number):
                withdraw(ctx, session, buildset, "Gerrit does not show the change any more")
            for event in _unanswered(session, number):
                event.outcome = f"Gerrit does not show the change: {error.detail or error.brief}"
            row = session.scalar(select(ChangeRow).where(ChangeRow.number == number))
            if row is not None:
                row.status = "GONE"
                close_alarms(session, number, project=row.project, branch=row.branch, at=ctx.clock())
        return
    consider_view(ctx, view)


def _project(session: Session, number: int) -> str:
    """Return a change's project, as we have it or as an event told it; empty if neither does."""
    known = session.scalar(select(ChangeRow.project).where(ChangeRow.number == number))
    told = select(EventRow.payload["change"]["project"].as_string()).where(EventRow.change == number).limit(1)
    return known or session.scalar(told) or ""


def consider_view(ctx: Context, view: ChangeView) -> list[int]:
    """Start the runs that a change lacks, as Gerrit shows it; return the ids of new buildsets."""
    patchset = view.patchset
    me, pipelines = ctx.me, ctx.settings.pipelines
    gerrit = ctx.groups.cis(ctx.settings.gerrit)
    with ctx.database.session() as session:
        # the stream's look and the reconciliation's must not find the same recheck at once
        lock_change(session, patchset.change)
        row = save_patchset(session, patchset)
        if patchset.status != "NEW":
            close_alarms(session, patchset.change, project=patchset.project, branch=patchset.branch, at=ctx.clock())
        save_comments(session, view, me, gerrit)
        withdraw_outdated(ctx, session, patchset)
        known = _known_runs(session, patchset.change)
        new: list[int] = []
        for event in _unanswered(session, patchset.change):
            decision = decide(_heard(event, view), pipelines, me, gerrit, known)
            started = _start(ctx, session, row, decision, FoundBy(event.source))
            new += started
            event.outcome = _outcome(decision, started)
        decision = reconcile(Seen(patchset=patchset, messages=view.messages), pipelines, me, gerrit, known)
        if not new:
            new = _start(ctx, session, row, decision, FoundBy.RECONCILE)
            _note(ctx, session, patchset, new)
        if isinstance(decision, Ignore) and not _runs_of(known, patchset.number) and not new:
            row.not_run = decision.reason
        else:
            row.not_run = None
    return new


def _start(ctx: Context, session: Session, row: PatchsetRow, decision: Decision, found_by: FoundBy) -> list[int]:
    """Make the buildsets of a decision, those that exist left as they are; return the ids of new ones."""
    if isinstance(decision, Ignore):
        return []
    made: list[int] = []
    for run in decision:
        made_id = session.execute(
            insert(BuildsetRow)
            .values(
                patchset_id=row.id,
                pipeline=run.pipeline,
                trigger=run.kind,
                trigger_key=run.key,
                asked_by=run.asked_by,
                found_by=found_by,
                uuid=secrets.token_hex(16),
                state=BuildsetState.NEW,
                triggered_at=run.triggered_at,
                created_at=ctx.clock(),
            )
            .on_conflict_do_nothing(index_elements=[BuildsetRow.trigger_key])
            .returning(BuildsetRow.id)
        ).scalar()
        if made_id is not None:
            made.append(made_id)
            defer(session, "prepare", made_id, after=_settling(ctx, run))
            _LOG.info("buildset.created", buildset=made_id, trigger=run.key, found_by=found_by)
        else:
            _announce(session, run.key, found_by)
    return made


def _announce(session: Session, key: str, by: FoundBy) -> None:
    """Take note that a run that a look had found was announced after all: it was early, the event not lost."""
    worse = _LESS_THAN.get(by, ())
    if worse:
        query = update(BuildsetRow).where(BuildsetRow.trigger_key == key, BuildsetRow.found_by.in_(worse))
        session.execute(query.values(found_by=by))


def _note(ctx: Context, session: Session, patchset: Patchset, new: list[int]) -> None:
    """Write down that a run was found by looking, not heard."""
    if new:
        session.add(
            EventRow(
                received_at=ctx.clock(),
                source=FoundBy.RECONCILE,
                type="found",
                payload={},
                change=patchset.change,
                patchset=patchset.number,
                outcome=f"Found by looking at the change: started {_named(new)}.",
            )
        )


def _named(buildsets: Sequence[int]) -> str:
    return ", ".join(f"buildset {one}" for one in buildsets)


def _settling(ctx: Context, run: Run) -> timedelta:
    """How long to wait, as Gerrit may not yet serve what was pushed a moment ago."""
    age = ctx.clock() - run.triggered_at
    return max(timedelta(), ctx.settings.gerrit.settle - age)


def _known_runs(session: Session, change: int) -> list[KnownRun]:
    query = select(BuildsetRow).join(PatchsetRow).join(ChangeRow).where(ChangeRow.number == change)
    return [
        KnownRun(
            patchset=row.patchset.number,
            pipeline=row.pipeline,
            key=row.trigger_key,
            created_at=row.created_at,
            was_withdrawn=_was_withdrawn(row),
            was_silent=row.result in SILENT,
        )
        for row in session.scalars(query)
    ]


def _was_withdrawn(row: BuildsetRow) -> bool:
    """Tell whether a run ended with its change: before its verdict, or before that was posted."""
    dropped = [one for one in row.reports if one.state == ReportState.DROPPED and one.reason.startswith(CLOSED)]
    return bool(dropped) or any(str(reason).startswith(WITHDRAWN) for reason in row.reasons)


def _runs_of(known: Sequence[KnownRun], patchset: int) -> list[KnownRun]:
    return [run for run in known if run.patchset == patchset]


def _unanswered(session: Session, change: int) -> list[EventRow]:
    query = select(EventRow).where(EventRow.change == change, EventRow.outcome.is_(None)).order_by(EventRow.id)
    return list(session.scalars(query))


def _heard(row: EventRow, view: ChangeView) -> Heard:
    """Join what an event said with what Gerrit shows: the stream tells no files, and may be behind."""
    event = parse_event(json.dumps(row.payload).encode())
    if not isinstance(event, Event):
        return Heard(type=row.type, at=row.received_at)
    return Heard(type=row.type, patchset=view.patchset, message=event.message, at=event.at)


def _outcome(decision: Decision, started: list[int]) -> str:
    if isinstance(decision, Ignore):
        return decision.reason
    if started:
        return f"Started {_named(started)}."
    return "Its run exists already."
