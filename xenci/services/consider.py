"""Looks at one change in Gerrit and starts what it asks for: the one way in, for stream, reconciliation and operator.

An event of the stream is a hint: it says which change to look at, and what was asked. What counts is what Gerrit
answers now, so an event that was lost, doubled or out of order does no harm.
"""

import json
import secrets
from collections.abc import Sequence
from datetime import timedelta

import structlog
from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from xenci.errors import NotFound
from xenci.gerrit.parse import parse_event
from xenci.gerrit.port import ChangeView, Event
from xenci.model.build import BuildsetState, BuildState, FoundBy, TriggerKind
from xenci.model.change import Account, Patchset
from xenci.model.outcome import Fault, Result
from xenci.rules.recheck import recheck_request
from xenci.rules.trigger import Decision, Heard, Ignore, KnownRun, Run, Seen, decide, is_ci, reconcile
from xenci.services.context import Context
from xenci.services.engine import defer
from xenci.services.groups import Cis
from xenci.store.marks import clear_alarm
from xenci.store.tables import BuildRow, BuildsetRow, ChangeRow, CommentRow, EventRow, PatchsetRow

_LOG = structlog.get_logger()
#: reason of a buildset that was ended as its change was closed, or a newer patch set came
WITHDRAWN = "withdrawn: "
#: first half of the advisory lock of a change; the second is its number
_LOCK = 0x636F6E73
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
            for buildset in _unfinished(session, number):
                withdraw(ctx, session, buildset, "Gerrit does not show the change any more")
            for event in _unanswered(session, number):
                event.outcome = f"Gerrit does not show the change: {error.detail or error.brief}"
            session.execute(update(ChangeRow).where(ChangeRow.number == number).values(status="GONE"))
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
        session.execute(
            text("select pg_advisory_xact_lock(:kind, :change)"), {"kind": _LOCK, "change": patchset.change}
        )
        row = save_patchset(session, patchset)
        if patchset.status != "NEW":
            # nobody need mend anything for a change that is closed
            carry = f"carry:{patchset.project}:{patchset.branch}:{patchset.change}"
            for key in (carry, f"vote:{patchset.change}", f"tree:{patchset.change}"):
                clear_alarm(session, key, at=ctx.clock())
        _save_comments(session, view, me, gerrit)
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


def save_patchset(session: Session, patchset: Patchset) -> PatchsetRow:
    """Write down a change and its patch set as Gerrit shows them; return the patch set's row."""
    facts = {
        "project": patchset.project,
        "branch": patchset.branch,
        "key": patchset.key,
        "subject": patchset.subject,
        "owner": patchset.owner.name or patchset.owner.username,
        "status": patchset.status,
        "wip": patchset.wip,
        "private": patchset.private,
        "topic": patchset.topic,
        "url": patchset.url,
    }
    change_id = session.execute(
        insert(ChangeRow)
        .values(number=patchset.change, **facts)
        .on_conflict_do_update(index_elements=[ChangeRow.number], set_=facts)
        .returning(ChangeRow.id)
    ).scalar_one()
    revision = {
        "sha": patchset.sha,
        "ref": patchset.ref,
        "kind": patchset.kind,
        "files": list(patchset.files),
        "uploaded_at": patchset.uploaded_at,
    }
    row_id = session.execute(
        insert(PatchsetRow)
        .values(change_id=change_id, number=patchset.number, **revision)
        .on_conflict_do_update(index_elements=[PatchsetRow.change_id, PatchsetRow.number], set_=revision)
        .returning(PatchsetRow.id)
    ).scalar_one()
    return session.get_one(PatchsetRow, row_id)


def withdraw_outdated(ctx: Context, session: Session, patchset: Patchset) -> None:
    """End what waits or runs for an older patch set of this change, or for a change that was closed."""
    for buildset in _unfinished(session, patchset.change):
        if buildset.trigger == TriggerKind.OPERATOR:
            # an operator may want to know about an old patch set, or a closed change; nothing is posted there
            continue
        if patchset.status != "NEW":
            withdraw(ctx, session, buildset, f"the change is {patchset.status.lower()}")
        elif buildset.patchset.number < patchset.number:
            withdraw(ctx, session, buildset, f"patch set {patchset.number} came")


def _unfinished(session: Session, change: int) -> list[BuildsetRow]:
    """Return what waits or runs for a change, locked: a build may start or end at this very moment."""
    query = (
        select(BuildsetRow)
        .join(PatchsetRow)
        .join(ChangeRow)
        .where(ChangeRow.number == change, BuildsetRow.state != BuildsetState.DONE)
        .order_by(BuildsetRow.id)
        .with_for_update(of=BuildsetRow)
    )
    return list(session.scalars(query.execution_options(populate_existing=True)))


def withdraw(ctx: Context, session: Session, buildset: BuildsetRow, reason: str) -> None:
    """End a buildset before its time; its builds end at their next step, and nothing is said in Gerrit."""
    buildset.state = BuildsetState.DONE
    buildset.result, buildset.fault = Result.ABORTED, Fault.NONE
    buildset.reasons = [WITHDRAWN + reason]
    buildset.finished_at = ctx.clock()
    clear_alarm(session, f"tree:{buildset.patchset.change.number}", at=ctx.clock())
    builds = select(BuildRow).where(BuildRow.buildset_id == buildset.id).order_by(BuildRow.id).with_for_update()
    for build in session.scalars(builds.execution_options(populate_existing=True)):
        if build.state == BuildState.QUEUED:
            build.state, build.result, build.fault = BuildState.DONE, Result.ABORTED, Fault.NONE
            build.reasons, build.finished_at = [reason], ctx.clock()
        elif build.state == BuildState.RUNNING:
            build.cancel = reason
            defer(session, "advance", build.id)
    _LOG.info("buildset.withdrawn", buildset=buildset.id, reason=reason)


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
            was_withdrawn=any(str(reason).startswith(WITHDRAWN) for reason in row.reasons),
        )
        for row in session.scalars(query)
    ]


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


def _save_comments(session: Session, view: ChangeView, me: Account, gerrit: Cis) -> None:
    """Keep the messages that count for the criteria: who asked for a run, and what we said ourselves."""
    is_open = view.patchset.status == "NEW"
    for message in view.messages:
        is_ours = bool(me.username) and message.author.username == me.username
        if not is_ours and (
            is_ci(message.author, me, gerrit) or recheck_request(message.text, message.comments) is None
        ):
            continue
        session.execute(
            insert(CommentRow)
            .values(
                change=view.patchset.change,
                patchset=message.patchset,
                message_id=message.id,
                author=message.author.username or message.author.name,
                posted_at=message.posted_at,
                kind="ours" if is_ours else "recheck",
                text=message.text[:2000],
                is_eligible=is_open and message.patchset in (0, view.patchset.number),
            )
            .on_conflict_do_nothing(index_elements=[CommentRow.change, CommentRow.message_id])
        )
