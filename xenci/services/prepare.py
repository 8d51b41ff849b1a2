"""Makes the trees of a buildset, and its builds: the change merged with its branch's tip, the job's carry on top.

It needs no node, so what cannot be merged costs none. A carry that does not apply is our fault: an alarm, no comment.
"""

import secrets
from datetime import timedelta
from pathlib import Path

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from xenci.config.models import Job
from xenci.gerrit.failures import MirrorBusy
from xenci.gerrit.trees import CarryConflict, MergeConflict, Prepared
from xenci.model.build import BuildsetState, BuildState, TriggerKind
from xenci.model.outcome import Fault, Result
from xenci.rules.branches import is_branch_covered
from xenci.services.advance.judge import settle
from xenci.services.context import Context
from xenci.services.copies import find_earlier, take_over
from xenci.services.engine import defer
from xenci.store.marks import clear_alarm, raise_alarm
from xenci.store.tables import BuildRow, BuildsetRow, ChangeRow, PatchsetRow

_LOG = structlog.get_logger()
#: when to come again where another one works in the project's mirror
_BUSY = timedelta(seconds=3)


def prepare(ctx: Context, buildset_id: int) -> None:
    """Prepare one new buildset: make its builds, or end it as a conflict. Repeatable."""
    with ctx.database.session() as session:
        buildset = session.get_one(BuildsetRow, buildset_id)
        if buildset.state != BuildsetState.NEW:
            return
        patchset = buildset.patchset
        change = patchset.change
        pipeline = ctx.settings.pipeline(buildset.pipeline)
        if buildset.trigger == TriggerKind.PATCHSET and (earlier := find_earlier(session, buildset, pipeline)):
            take_over(ctx, session, buildset, earlier)
            return
    jobs = [job for job in map(ctx.settings.job, pipeline.jobs) if is_branch_covered(change.branch, job.branches)]
    try:
        trees = {job.name: _make_tree(ctx, change, patchset, buildset, job) for job in jobs if not job.noop}
    except MirrorBusy:
        # another buildset of the project is prepared: its turn comes
        with ctx.database.session() as session:
            defer(session, "prepare", buildset_id, after=_BUSY)
        return
    with ctx.database.session() as session:
        buildset = session.get_one(BuildsetRow, buildset_id, with_for_update=True)
        if buildset.state != BuildsetState.NEW:
            return
        if not jobs:
            end_silently(ctx, session, buildset, Result.NOT_APPLICABLE, "the branch has no driver and no carry", None)
            return
        for job in jobs:
            if job.noop:
                _add_noop(ctx, session, buildset, job)
                continue
            match trees[job.name]:
                case MergeConflict() as conflict:
                    _end_merge_conflict(ctx, session, buildset, conflict)
                    return
                case CarryConflict() as conflict:
                    _end_carry_conflict(ctx, session, buildset, change, job, conflict)
                    return
                case Prepared() as tree:
                    _add_build(session, buildset, job, tree)
        for where in ("tip", change.number):
            clear_alarm(session, carry_alarm(change, where), at=ctx.clock())
        buildset.state = BuildsetState.RUNNING
        _LOG.info("buildset.prepared", buildset=buildset.id, change=change.number, merged=buildset.merged_sha)
        session.flush()
        if all(job.noop for job in jobs):
            settle(ctx, session, buildset)
        else:
            defer(session, "dispatch")


def carry_alarm(change: ChangeRow, where: int | str) -> str:
    """Return the key of the alarm that the series does not apply: on a change, or on the tip of its branch."""
    return f"carry:{change.project}:{change.branch}:{where}"


def series_of(job: Job, project: str, branch: str) -> list[Path]:
    """Return the patches that a job carries on a project's branch, in order."""
    found: list[Path] = []
    for carry in job.carry:
        if carry.project == project and is_branch_covered(branch, (carry.branch,)):
            patches = sorted(carry.series.glob("*.patch"))
            found += [p for p in patches if not carry.patches or p.name.startswith(carry.patches)]
    return found


def _make_tree(
    ctx: Context, change: ChangeRow, patchset: PatchsetRow, buildset: BuildsetRow, job: Job
) -> Prepared | MergeConflict | CarryConflict:
    return ctx.mirrors.prepare(
        change.project,
        ctx.settings.gerrit.repository(change.project),
        branch=change.branch,
        ref=patchset.ref,
        sha=patchset.sha,
        carry_series=series_of(job, change.project, change.branch),
        name=f"buildset-{buildset.id}-{job.name}",
        at=buildset.created_at,
    )


def _add_build(session: Session, buildset: BuildsetRow, job: Job, tree: Prepared) -> None:
    buildset.tip_sha, buildset.merged_sha = tree.tip_sha, tree.merged_sha
    known = session.scalar(select(BuildRow.id).where(BuildRow.buildset_id == buildset.id, BuildRow.job == job.name))
    if known is None:
        session.add(
            BuildRow(
                buildset_id=buildset.id,
                job=job.name,
                attempt=1,
                uuid=secrets.token_hex(16),
                state=BuildState.QUEUED,
                doing="waits for a node",
                tree_sha=tree.tree_sha,
                tip_tree_sha=tree.tip_tree_sha,
                carry=list(tree.carry),
            )
        )


def _add_noop(ctx: Context, session: Session, buildset: BuildsetRow, job: Job) -> None:
    """Add the build of a job that runs nothing: it has ended well before it began."""
    session.add(
        BuildRow(
            buildset_id=buildset.id,
            job=job.name,
            attempt=1,
            uuid=secrets.token_hex(16),
            state=BuildState.DONE,
            result=Result.SUCCESS,
            fault=Fault.NONE,
            reasons=["Nothing was run: this job only tries the way from Gerrit and back."],
            carry=[],
            started_at=ctx.clock(),
            finished_at=ctx.clock(),
        )
    )


def _end_merge_conflict(ctx: Context, session: Session, buildset: BuildsetRow, conflict: MergeConflict) -> None:
    buildset.tip_sha = conflict.tip_sha
    reason = f"does not merge with the tip of its branch: {', '.join(conflict.files) or 'unknown files'}"
    end_silently(ctx, session, buildset, Result.MERGE_CONFLICT, reason, {"files": list(conflict.files)})


def _end_carry_conflict(
    ctx: Context, session: Session, buildset: BuildsetRow, change: ChangeRow, job: Job, conflict: CarryConflict
) -> None:
    files = ", ".join(conflict.files) or "unknown files"
    where = "the tip of the branch itself" if conflict.on_tip else f"change {change.number}"
    reason = f"the carried series does not apply on {where}: {conflict.patch} conflicts in {files}"
    raise_alarm(
        session,
        carry_alarm(change, "tip" if conflict.on_tip else change.number),
        brief=f"The carried series no longer applies on {where}",
        detail=f"job {job.name}, {change.project} {change.branch}: {conflict.patch}: {files}",
        remedy="rebase the series in configs/carry, or drop the patch; then recheck",
        at=ctx.clock(),
    )
    content = {"patch": conflict.patch, "files": list(conflict.files), "on_tip": conflict.on_tip}
    end_silently(ctx, session, buildset, Result.CARRY_CONFLICT, reason, content, fault=Fault.INFRA)


def end_silently(
    ctx: Context,
    session: Session,
    buildset: BuildsetRow,
    result: Result,
    reason: str,
    conflict: dict[str, object] | None,
    *,
    fault: Fault = Fault.NONE,
) -> None:
    """End a buildset about which nothing is said in Gerrit; its page says why."""
    buildset.state = BuildsetState.DONE
    buildset.result, buildset.fault = result, fault
    buildset.reasons = [reason]
    buildset.conflict = conflict
    buildset.finished_at = ctx.clock()
    _LOG.info("buildset.ended", buildset=buildset.id, result=result, reason=reason)
