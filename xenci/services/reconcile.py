"""Looks through the open changes in Gerrit by plain REST, and starts what was missed.

At start, after every reconnect of the stream, when Gerrit says that it dropped events, and every few minutes: so a
change that was pushed while xenci was down is tested all the same. A watermark in the database says up to when
everything was looked at; it moves only when a look came to its end and no change failed, so an outage of any length is
caught up with.
"""

import hashlib
from datetime import datetime

import structlog
from sqlalchemy import or_, select
from sqlalchemy.exc import SQLAlchemyError

from xenci.errors import XenciError
from xenci.gerrit.port import ChangeView
from xenci.model.build import BuildsetState
from xenci.rules.lookback import Known, Lookback, look_back
from xenci.services.consider import consider_view
from xenci.services.context import Context
from xenci.services.engine import alive, defer
from xenci.store.marks import clear_alarm, raise_alarm, set_watermark, watermark
from xenci.store.tables import BuildsetRow, ChangeRow, EventRow, PatchsetRow

_LOG = structlog.get_logger()
#: how many changes that are open here, but not among those that Gerrit finds, are looked at in one turn
_MOST_UNFOUND = 100
LOOKED, LOOKED_WIDE = "reconcile", "reconcile:wide"


def reconcile(ctx: Context, _row: int = 0) -> None:
    """Look at every open change that was touched since the last look, and at those that we run something for."""
    began = ctx.clock()
    back = lookback(ctx, began)
    projects = sorted({p for pipeline in ctx.settings.pipelines for p in _literal(pipeline.trigger.projects)})
    seen: set[int] = set()
    started: list[int] = []
    is_whole = True
    try:
        for view in ctx.gerrit.open_changes(projects, since=back.since):
            seen.add(view.patchset.change)
            found = _look(ctx, view)
            started += found or []
            is_whole &= found is not None
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
        heard = select(EventRow.change).where(EventRow.received_at >= back.since)
        uploaded = select(PatchsetRow.change_id).where(PatchsetRow.uploaded_at >= back.since)
        open_here = (
            select(ChangeRow.number)
            .where(ChangeRow.status == "NEW", ChangeRow.number.not_in(seen))
            .where(or_(ChangeRow.number.in_(heard), ChangeRow.id.in_(uploaded)))
            .order_by(ChangeRow.number.desc())
            .limit(_MOST_UNFOUND)
        )
        unanswered = select(EventRow.change).where(EventRow.outcome.is_(None), EventRow.change.is_not(None))
        look_at = {*session.scalars(running), *session.scalars(open_here), *session.scalars(unanswered)}
        for number in look_at - seen:
            if number is not None:
                # closed meanwhile, or not touched since: what runs for it must not go on for ever
                defer(session, "consider", number)
        # a tip may have moved unheard
        defer(session, "renew")
        if is_whole:
            set_watermark(session, LOOKED, at=began)
        if back.is_wide:
            # a change that always fails must not make every look a wide one
            set_watermark(session, LOOKED_WIDE, at=began, note=_triggers(ctx))
    words = f"{len(seen)} open changes touched since {back.since:%Y-%m-%d %H:%M}, {len(started)} runs that were missed"
    alive(ctx, "reconcile", words)
    _LOG.info("reconcile.done", changes=len(seen), since=back.since.isoformat(), started=started)


def lookback(ctx: Context, now: datetime) -> Lookback:
    """Return from when on nobody has surely looked."""
    gerrit = ctx.settings.gerrit
    with ctx.database.session() as session:
        looked, wide = watermark(session, LOOKED), watermark(session, LOOKED_WIDE)
    known = Known(
        looked_at=looked.at if looked else None,
        wide_at=wide.at if wide else None,
        is_same_trigger=wide is not None and wide.note == _triggers(ctx),
    )
    return look_back(now, known, margin=gerrit.reconcile_margin, age=gerrit.reconcile_age)


def _triggers(ctx: Context) -> str:
    """Return a digest of what the pipelines want: when it changes, older changes may be wanted."""
    wanted = [(one.name, one.trigger.model_dump_json()) for one in ctx.settings.pipelines]
    return hashlib.sha256(repr(wanted).encode()).hexdigest()[:16]


def _look(ctx: Context, view: ChangeView) -> list[int] | None:
    """Look at one change; one that cannot be looked at (None) costs no other its look. `consider` tells of it."""
    try:
        return consider_view(ctx, view)
    except SQLAlchemyError as error:
        _LOG.warning("reconcile.skipped", change=view.patchset.change, error=str(error).split("\n")[0])
        with ctx.database.session() as session:
            defer(session, "consider", view.patchset.change)
        return None


def _literal(patterns: tuple[str, ...]) -> list[str]:
    """Return patterns as Gerrit's query wants them: a plain name, or a regular expression that begins with ^."""
    return [p if p.startswith("^") else f"^{p}" for p in patterns]
