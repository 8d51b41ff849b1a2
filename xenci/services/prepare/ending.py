"""The endings of a buildset that has no build: nothing is said in Gerrit, and its page says why."""

import structlog
from sqlalchemy.orm import Session

from xenci.gerrit.trees import CarryConflict, MergeConflict
from xenci.model.build import BuildsetState
from xenci.model.outcome import Fault, Result
from xenci.services.context import Context
from xenci.services.prepare.trees import Stuck
from xenci.store.marks import raise_alarm
from xenci.store.tables import BuildsetRow, ChangeRow

_LOG = structlog.get_logger()


def carry_alarm(project: str, branch: str, where: int | str) -> str:
    """Return the key of the alarm that the series does not apply: on a change, or on the tip of its branch."""
    return f"carry:{project}:{branch}:{where}"


def end_stuck(ctx: Context, session: Session, buildset: BuildsetRow, job: str, stuck: Stuck) -> None:
    """End a buildset one of whose trees cannot be made."""
    place, change = stuck.place, buildset.patchset.change
    where = {"project": place.project, "branch": place.branch, "tip": stuck.conflict.tip_sha}
    if place.project == change.project:
        buildset.tip_sha = stuck.conflict.tip_sha
    files = ", ".join(stuck.conflict.files) or "unknown files"
    content: dict[str, object] = {"files": list(stuck.conflict.files), **where}
    match stuck.conflict:
        case MergeConflict(ref=ref):
            number = next((need.patchset.change for need in place.needs if need.patchset.ref == ref), None)
            if number is not None:
                content["change"] = number
                what = f"change {number}, which it needs, does not merge with the tip of {_words(place.branch, change)}"
            else:
                what = f"does not merge with {'what it needs on ' if place.needs else ''}the tip of its branch"
            end_silently(ctx, session, buildset, Result.MERGE_CONFLICT, f"{what}: {files}", content)
        case CarryConflict(patch=patch, on_tip=on_tip):
            _raise_carry_alarm(ctx, session, change, job, stuck, files)
            content |= {"patch": patch, "on_tip": on_tip}
            reason = f"the carried series does not apply on {_on(stuck, change)}: {patch} conflicts in {files}"
            end_silently(ctx, session, buildset, Result.CARRY_CONFLICT, reason, content, fault=Fault.INFRA)


def end_silently(
    ctx: Context,
    session: Session,
    buildset: BuildsetRow,
    result: Result,
    reason: str,
    conflict: dict[str, object] | None = None,
    *,
    fault: Fault = Fault.NONE,
) -> None:
    """End a buildset about which nothing is said in Gerrit."""
    buildset.result, buildset.fault = result, fault
    buildset.state = BuildsetState.DONE
    buildset.reasons = [reason]
    buildset.conflict = conflict
    buildset.finished_at = ctx.clock()
    _LOG.info("buildset.ended", buildset=buildset.id, result=result, reason=reason)


def _raise_carry_alarm(ctx: Context, session: Session, change: ChangeRow, job: str, stuck: Stuck, files: str) -> None:
    place, conflict = stuck.place, stuck.conflict
    if not isinstance(conflict, CarryConflict):
        return
    # the alarm on a change is the change's, whatever project the series is for
    owner = (place.project, place.branch, "tip") if conflict.on_tip else (change.project, change.branch, change.number)
    raise_alarm(
        session,
        carry_alarm(*owner),
        brief=f"The carried series no longer applies on {_on(stuck, change)}",
        detail=f"job {job}, {place.project} {place.branch}: {conflict.patch}: {files}",
        remedy="rebase the series in configs/carry, or drop the patch; then recheck",
        at=ctx.clock(),
    )


def _on(stuck: Stuck, change: ChangeRow) -> str:
    if isinstance(stuck.conflict, CarryConflict) and stuck.conflict.on_tip:
        return "the tip of the branch itself"
    return f"change {change.number}" + (" with what it needs" if stuck.place.needs else "")


def _words(branch: str, change: ChangeRow) -> str:
    return "the branch" if branch == change.branch else branch
