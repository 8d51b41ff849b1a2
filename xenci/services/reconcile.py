"""Looks through all open changes in Gerrit by plain REST, and starts what was missed.

At start, after every reconnect of the stream, when Gerrit says that it dropped events, and every few minutes: so a
change that was pushed while xenci was down is tested all the same.
"""

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from xenci.errors import XenciError
from xenci.gerrit.port import ChangeView
from xenci.model.build import BuildsetState
from xenci.services.consider import consider_view
from xenci.services.context import Context
from xenci.services.engine import alive, defer
from xenci.store.marks import clear_alarm, raise_alarm
from xenci.store.tables import BuildsetRow, ChangeRow, EventRow, PatchsetRow

_LOG = structlog.get_logger()
#: how many changes that are open here, but not among those that Gerrit finds, are looked at in one turn
_MOST_UNFOUND = 100


def reconcile(ctx: Context, _row: int = 0) -> None:
    """Look at every open change that was touched lately, and at those that we run something for. Repeatable."""
    since = ctx.clock() - ctx.settings.gerrit.reconcile_age
    projects = sorted({p for pipeline in ctx.settings.pipelines for p in _literal(pipeline.trigger.projects)})
    seen: set[int] = set()
    started: list[int] = []
    try:
        for view in ctx.gerrit.open_changes(projects, since=since):
            seen.add(view.patchset.change)
            new = _look(ctx, view)
            started += new
            if new:
                _note(ctx, view.patchset.change, view.patchset.number, len(new))
    except XenciError as error:
        with ctx.database.session() as session:
            raise_alarm(
                session,
                "gerrit:rest",
                brief="Gerrit's REST does not answer as it should",
                detail=error.sentence,
                remedy=error.remedy or "it is tried again by itself",
                at=ctx.clock(),
            )
        # the engine waits longer from try to try
        raise
    with ctx.database.session() as session:
        clear_alarm(session, "gerrit:rest", at=ctx.clock())
        running = (
            select(ChangeRow.number)
            .join(PatchsetRow, PatchsetRow.change_id == ChangeRow.id)
            .join(BuildsetRow, BuildsetRow.patchset_id == PatchsetRow.id)
            .where(BuildsetRow.state != BuildsetState.DONE)
        )
        # a Gerrit that crashed may not find what it has: its index lacks the last minutes
        open_here = (
            select(ChangeRow.number)
            .join(PatchsetRow, PatchsetRow.change_id == ChangeRow.id)
            .where(ChangeRow.status == "NEW", PatchsetRow.uploaded_at >= since, ChangeRow.number.not_in(seen))
            .distinct()
            .order_by(ChangeRow.number.desc())
            .limit(_MOST_UNFOUND)
        )
        unanswered = select(EventRow.change).where(EventRow.outcome.is_(None), EventRow.change.is_not(None))
        look_at = {*session.scalars(running), *session.scalars(open_here), *session.scalars(unanswered)}
        for number in look_at - seen:
            if number is not None:
                # closed meanwhile, or too old for the query: what runs for it must not go on for ever
                defer(session, "consider", number)
        # a tip may have moved unheard
        defer(session, "renew")
    alive(ctx, "reconcile", f"{len(seen)} open changes, {len(started)} runs that were missed")
    _LOG.info("reconcile.done", changes=len(seen), started=started)


def _look(ctx: Context, view: ChangeView) -> list[int]:
    """Look at one change; one that cannot be looked at costs no other its look. The step `consider` tells of it."""
    try:
        return consider_view(ctx, view)
    except SQLAlchemyError as error:
        _LOG.warning("reconcile.skipped", change=view.patchset.change, error=str(error).split("\n")[0])
        with ctx.database.session() as session:
            defer(session, "consider", view.patchset.change)
        return []


def _note(ctx: Context, change: int, patchset: int, runs: int) -> None:
    """Write down that a change was found by looking, not heard."""
    with ctx.database.session() as session:
        session.add(
            EventRow(
                received_at=ctx.clock(),
                source="reconcile",
                type="found",
                payload={},
                change=change,
                patchset=patchset,
                outcome=f"Found by looking through open changes: {runs} run(s) started.",
            )
        )


def _literal(patterns: tuple[str, ...]) -> list[str]:
    """Return patterns as Gerrit's query wants them: a plain name, or a regular expression that begins with ^."""
    return [p if p.startswith("^") else f"^{p}" for p in patterns]
