"""Makes the trees of a buildset, and its builds: the change merged with the tip and what it needs, the carry on top.

It needs no node, so what cannot be merged costs none. A carry that does not apply is our fault: an alarm, no comment.
"""

import secrets
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from xenci.config.models import Job, Pipeline
from xenci.errors import XenciError
from xenci.gerrit.failures import MirrorBusy
from xenci.model.build import BuildsetState, BuildState, TriggerKind
from xenci.model.outcome import Fault, Result
from xenci.rules.branches import is_branch_covered
from xenci.services.advance.judge import settle
from xenci.services.context import Context
from xenci.services.copies import find_earlier, take_over
from xenci.services.engine import defer
from xenci.services.prepare.ending import carry_alarm, end_silently, end_stuck
from xenci.services.prepare.needs import Unmet, find_needs, names_the_same
from xenci.services.prepare.trees import Plan, Stuck, Trees, make_trees, plan
from xenci.services.prepare.trouble import BUSY, put_off, tree_alarm
from xenci.store.marks import clear_alarm
from xenci.store.tables import BuildRow, BuildsetRow, ChangeRow, PatchsetRow

_LOG = structlog.get_logger()

#: What a buildset becomes: builds with these trees by job, or an end without any.
Made = dict[str, Trees] | Unmet | tuple[str, Stuck]


def prepare(ctx: Context, buildset_id: int) -> None:
    """Prepare one new buildset: make its builds, or end it as a conflict. Repeatable.

    One that fails is put off: it is never raised, as it concerns this buildset alone.
    """
    try:
        _prepare(ctx, buildset_id)
    except MirrorBusy:
        # another buildset of the project is prepared: its turn comes
        with ctx.database.session() as session:
            defer(session, "prepare", buildset_id, after=BUSY)
    except XenciError as error:
        put_off(ctx, buildset_id, error)


def _prepare(ctx: Context, buildset_id: int) -> None:
    with ctx.database.session() as session:
        buildset = session.get_one(BuildsetRow, buildset_id)
        if buildset.state != BuildsetState.NEW:
            return
        patchset = buildset.patchset
        change = patchset.change
        pipeline = ctx.settings.pipeline(buildset.pipeline)
        earlier = _sha_of_earlier(session, buildset, pipeline)
    if earlier is not None and names_the_same(ctx, change.number, (patchset.sha, earlier)):
        _copy(ctx, buildset_id, pipeline)
        return
    jobs = [job for job in map(ctx.settings.job, pipeline.jobs) if is_branch_covered(change.branch, job.branches)]
    planned = _plan(ctx, change, patchset, jobs)
    made = planned if isinstance(planned, Unmet) else _make(ctx, planned, patchset, buildset, jobs)
    with ctx.database.session() as session:
        buildset = session.get_one(BuildsetRow, buildset_id, with_for_update=True)
        if buildset.state != BuildsetState.NEW:
            return
        buildset.reasons = []
        clear_alarm(session, tree_alarm(change.number), at=ctx.clock())
        buildset.needs = list(planned.needs) if isinstance(planned, Plan) else []
        _write(ctx, session, buildset, jobs, made)


def _write(ctx: Context, session: Session, buildset: BuildsetRow, jobs: list[Job], made: Made) -> None:
    """Write what became of a buildset: its builds, or its end."""
    match made:
        case Unmet(reason=reason):
            end_silently(ctx, session, buildset, Result.DEPENDENCY_UNMET, reason)
        case (job, stuck):
            end_stuck(ctx, session, buildset, job, stuck)
        case _ if not jobs:
            end_silently(ctx, session, buildset, Result.NOT_APPLICABLE, "the branch has no driver and no carry")
        case trees:
            _begin(ctx, session, buildset, jobs, trees)


def _begin(ctx: Context, session: Session, buildset: BuildsetRow, jobs: list[Job], trees: dict[str, Trees]) -> None:
    change = buildset.patchset.change
    for job in jobs:
        if job.noop:
            _add(session, buildset, job, **_ran_nothing(ctx))
        else:
            own = trees[job.name].own
            buildset.tip_sha, buildset.merged_sha = own.tip_sha, own.merged_sha
            _add(session, buildset, job, **_waits(trees[job.name]))
    others = {(place.project, place.branch) for one in trees.values() for place, _ in one.others}
    mended = {carry_alarm(*place, "tip") for place in {(change.project, change.branch), *others}}
    for alarm in {*mended, carry_alarm(change.project, change.branch, change.number)}:
        clear_alarm(session, alarm, at=ctx.clock())
    buildset.state = BuildsetState.RUNNING
    _LOG.info("buildset.prepared", buildset=buildset.id, change=change.number, merged=buildset.merged_sha)
    session.flush()
    if all(job.noop for job in jobs):
        settle(ctx, session, buildset)
    else:
        defer(session, "dispatch")


def _plan(ctx: Context, change: ChangeRow, patchset: PatchsetRow, jobs: list[Job]) -> Plan | Unmet | None:
    """Say which trees are made; None where no job needs one. Raises MirrorBusy."""
    running = [job for job in jobs if not job.noop]
    if not running:
        return None
    if ctx.mirrors.is_busy(change.project):
        # before Gerrit is asked, as it would be asked all of it again at each turn
        raise MirrorBusy(change.project, remedy="It is tried again")
    needs = find_needs(ctx, change, patchset)
    return needs if isinstance(needs, Unmet) else plan(ctx, change, needs, running)


def _make(
    ctx: Context, planned: Plan | None, patchset: PatchsetRow, buildset: BuildsetRow, jobs: list[Job]
) -> dict[str, Trees] | tuple[str, Stuck]:
    """Make the trees of each job, until one cannot be made."""
    trees: dict[str, Trees] = {}
    for job in jobs:
        if job.noop or planned is None:
            continue
        tree = make_trees(ctx, planned, patchset, buildset, job)
        if isinstance(tree, Stuck):
            return job.name, tree
        trees[job.name] = tree
    return trees


def _sha_of_earlier(session: Session, buildset: BuildsetRow, pipeline: Pipeline) -> str | None:
    """Return the commit of an earlier patch set whose verdict may be taken over."""
    earlier = find_earlier(session, buildset, pipeline) if buildset.trigger == TriggerKind.PATCHSET else None
    return earlier.patchset.sha if earlier else None


def _copy(ctx: Context, buildset_id: int, pipeline: Pipeline) -> None:
    with ctx.database.session() as session:
        buildset = session.get_one(BuildsetRow, buildset_id, with_for_update=True)
        earlier = find_earlier(session, buildset, pipeline)
        if buildset.state == BuildsetState.NEW and earlier is not None:
            clear_alarm(session, tree_alarm(buildset.patchset.change.number), at=ctx.clock())
            take_over(ctx, session, buildset, earlier)


def _add(session: Session, buildset: BuildsetRow, job: Job, **facts: Any) -> None:
    """Add the first build of a job, unless it is there."""
    known = session.scalar(select(BuildRow.id).where(BuildRow.buildset_id == buildset.id, BuildRow.job == job.name))
    if known is None:
        session.add(BuildRow(buildset_id=buildset.id, job=job.name, attempt=1, uuid=secrets.token_hex(16), **facts))


def _waits(trees: Trees) -> dict[str, Any]:
    """A build that waits for a node."""
    return {
        "state": BuildState.QUEUED,
        "doing": "waits for a node",
        "tree_sha": trees.own.tree_sha,
        "tip_tree_sha": trees.own.tip_tree_sha,
        "carry": list(trees.own.carry),
        "other_trees": [
            {
                "project": place.project,
                "branch": place.branch,
                "tip_sha": tree.tip_sha,
                "tree_sha": tree.tree_sha,
                "changes": [need.patchset.label for need in place.needs],
            }
            for place, tree in trees.others
        ],
    }


def _ran_nothing(ctx: Context) -> dict[str, Any]:
    """The build of a job that runs nothing: it has ended well before it began."""
    return {
        "state": BuildState.DONE,
        "result": Result.SUCCESS,
        "fault": Fault.NONE,
        "reasons": ["Nothing was run: this job only tries the way from Gerrit and back."],
        "carry": [],
        "started_at": ctx.clock(),
        "finished_at": ctx.clock(),
    }
