"""Ends what waits or runs for a change before its time: a newer patch set came, or the change was closed."""

from datetime import datetime

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from xenci.model.build import BuildsetState, BuildState, TriggerKind
from xenci.model.change import Patchset
from xenci.model.outcome import Fault, Result
from xenci.services.context import Context
from xenci.services.engine import defer
from xenci.store.marks import clear_alarm
from xenci.store.tables import BuildRow, BuildsetRow, ChangeRow, PatchsetRow

_LOG = structlog.get_logger()
#: begin of the reason of a buildset that was ended so
WITHDRAWN = "withdrawn: "


def withdraw_outdated(ctx: Context, session: Session, patchset: Patchset) -> None:
    """End what waits or runs for an older patch set of this change, or for a change that was closed."""
    for buildset in unfinished(session, patchset.change):
        if buildset.trigger == TriggerKind.OPERATOR:
            # an operator may want to know about an old patch set, or a closed change; nothing is posted there
            continue
        if patchset.status != "NEW":
            withdraw(ctx, session, buildset, f"the change is {patchset.status.lower()}")
        elif buildset.patchset.number < patchset.number:
            withdraw(ctx, session, buildset, f"patch set {patchset.number} came")


def close_alarms(session: Session, change: int, *, project: str, branch: str, at: datetime) -> None:
    """Close the alarms of a change that is closed, or gone: nobody need mend anything for it."""
    for key in (f"carry:{project}:{branch}:{change}", f"vote:{change}", f"tree:{change}"):
        clear_alarm(session, key, at=at)


def unfinished(session: Session, change: int) -> list[BuildsetRow]:
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
