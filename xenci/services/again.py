"""Runs a patch set again whose run ended without a test, once its cause may have ended.

The first time it gets a run of its own; if that ends so too it is the same run that is tried again, so a change that
lies for months has two rows and not one for each try.
"""

import secrets

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from xenci.model.build import BuildsetState, FoundBy, TriggerKind
from xenci.model.outcome import Result
from xenci.services.context import Context
from xenci.services.engine import defer
from xenci.services.record import lock_change
from xenci.store.conflicts import lasting
from xenci.store.tables import BuildsetRow

_LOG = structlog.get_logger()
#: why we run again by ourselves
AGAIN = (TriggerKind.TIP, TriggerKind.NEED)


def is_wanted(ctx: Context, buildset: BuildsetRow) -> bool:
    """Tell whether the pipeline of a run is still there and wants the change as it is."""
    pipeline = next((one for one in ctx.settings.pipelines if one.name == buildset.pipeline), None)
    return pipeline is not None and (pipeline.trigger.wip or not buildset.patchset.change.wip)


def still(session: Session, change: int, buildset_id: int, *results: Result) -> BuildsetRow | None:
    """Return a run, locked with its change, if it is still the newest one and ended so; None if it is not."""
    # a newer patch set, or a newer run, may be written down at this moment
    lock_change(session, change)
    query = lasting(*results).where(BuildsetRow.id == buildset_id).with_for_update(of=BuildsetRow)
    return session.scalar(query)


def run_again(ctx: Context, session: Session, buildset: BuildsetRow, kind: TriggerKind, why: str) -> None:
    """Have a run prepared again, as itself or as a new one. What still() returned is safe to be handed over."""
    patchset = buildset.patchset
    # a cause may come back, as a tip that was moved away and back does: the run makes the key its own
    key = f"{patchset.change.number},{patchset.number}:{buildset.pipeline}:{kind}:{why}:{buildset.id}"
    if buildset.trigger in AGAIN:
        _go_on(ctx, buildset, kind, key)
        started: int | None = buildset.id
    else:
        started = _begin(ctx, session, buildset, kind, key)
    if started is not None:
        defer(session, "prepare", started)
        _LOG.info("buildset.renewed", buildset=started, change=patchset.change.number, kind=kind, why=why)


def _begin(ctx: Context, session: Session, buildset: BuildsetRow, kind: TriggerKind, key: str) -> int | None:
    made = insert(BuildsetRow).values(
        patchset_id=buildset.patchset_id,
        pipeline=buildset.pipeline,
        trigger=kind,
        trigger_key=key,
        found_by=FoundBy.RENEW,
        uuid=secrets.token_hex(16),
        state=BuildsetState.NEW,
        triggered_at=ctx.clock(),
        created_at=ctx.clock(),
    )
    known = made.on_conflict_do_nothing(index_elements=[BuildsetRow.trigger_key]).returning(BuildsetRow.id)
    return session.execute(known).scalar()


def _go_on(ctx: Context, buildset: BuildsetRow, kind: TriggerKind, key: str) -> None:
    buildset.trigger, buildset.trigger_key, buildset.state = kind, key, BuildsetState.NEW
    buildset.triggered_at = buildset.created_at = ctx.clock()
    buildset.result = buildset.fault = buildset.conflict = buildset.finished_at = None
    buildset.reasons = []
