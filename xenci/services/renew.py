"""Prepares again what conflicted with a tip that has moved since: the tip may have brought the conflict, or ended it.

Level-triggered as all else: at an event, and with each look through open changes, the tips are asked for and compared
with those that the runs conflicted with. A run is followed on to each tip once. The first time it gets a run of its
own; if that conflicts too it is the same run that goes on to the next tip, so a change that lies for months has two
rows and not one for each commit of its branch.
"""

import secrets

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from xenci.errors import XenciError
from xenci.model.build import BuildsetState, TriggerKind
from xenci.services.context import Context
from xenci.services.engine import defer
from xenci.store.conflicts import WITH_TIP, lasting
from xenci.store.tables import BuildsetRow

_LOG = structlog.get_logger()
#: runs that one look prepares again, the newest changes first; the others come with the next looks
MOST = 20


def renew(ctx: Context, _row: int = 0) -> None:
    """Prepare again what conflicted with another tip than its branch has now. Repeatable.

    Raises the last error of a project whose tips cannot be asked for, when the others are done.
    """
    with ctx.database.session() as session:
        stuck = [
            (buildset.id, *_place(buildset))
            for buildset in session.scalars(lasting(*WITH_TIP))
            if _is_on(ctx, buildset)
        ]
    tips, failure = _tips(ctx, {(project, branch) for _, project, branch, _ in stuck})
    moved = [
        (number, tips[project, branch])
        for number, project, branch, tip in stuck
        if tips.get((project, branch), tip) != tip
    ]
    for number, tip in moved[:MOST]:
        _follow(ctx, number, tip)
    if moved:
        _LOG.info("renew.done", moved=len(moved), prepared=min(len(moved), MOST))
    if failure is not None:
        raise failure


def _tips(ctx: Context, places: set[tuple[str, str]]) -> tuple[dict[tuple[str, str], str], XenciError | None]:
    found: dict[tuple[str, str], str] = {}
    failure: XenciError | None = None
    for project in sorted({project for project, _ in places}):
        branches = sorted(branch for known, branch in places if known == project)
        try:
            tips = ctx.mirrors.tips(project, ctx.settings.gerrit.repository(project), branches)
        except XenciError as error:
            # a project that cannot be asked costs no other its look
            _LOG.warning("renew.skipped", project=project, error=error.sentence)
            failure = error
        else:
            found |= {(project, branch): tip for branch, tip in tips.items()}
    return found, failure


def _place(buildset: BuildsetRow) -> tuple[str, str, str]:
    """Return project, branch and tip that a run conflicted with: another project's, if what it needs there did."""
    change, conflict = buildset.patchset.change, buildset.conflict or {}
    return (
        str(conflict.get("project", change.project)),
        str(conflict.get("branch", change.branch)),
        str(conflict.get("tip", buildset.tip_sha or "")),
    )


def _is_on(ctx: Context, buildset: BuildsetRow) -> bool:
    """Tell whether the pipeline is still there and wants the change as it is."""
    pipeline = next((one for one in ctx.settings.pipelines if one.name == buildset.pipeline), None)
    return pipeline is not None and (pipeline.trigger.wip or not buildset.patchset.change.wip)


def _follow(ctx: Context, number: int, tip: str) -> None:
    """Prepare a run that conflicted again, on a tip that it was not tried on."""
    with ctx.database.session() as session:
        # another one may have done it at this moment, or the change may have moved on
        query = lasting(*WITH_TIP).where(BuildsetRow.id == number).with_for_update(of=BuildsetRow)
        buildset = session.scalar(query)
        if buildset is None or _place(buildset)[2] == tip:
            return
        patchset = buildset.patchset
        key = f"{patchset.change.number},{patchset.number}:{buildset.pipeline}:tip:{tip}"
        if buildset.trigger == TriggerKind.TIP:
            _go_on(ctx, buildset, key)
            started: int | None = buildset.id
        else:
            started = _begin(ctx, session, buildset, key)
        if started is not None:
            defer(session, "prepare", started)
            _LOG.info("buildset.renewed", buildset=started, change=patchset.change.number, tip=tip)


def _begin(ctx: Context, session: Session, buildset: BuildsetRow, key: str) -> int | None:
    made = insert(BuildsetRow).values(
        patchset_id=buildset.patchset_id,
        pipeline=buildset.pipeline,
        trigger=TriggerKind.TIP,
        trigger_key=key,
        uuid=secrets.token_hex(16),
        state=BuildsetState.NEW,
        triggered_at=ctx.clock(),
        created_at=ctx.clock(),
    )
    known = made.on_conflict_do_nothing(index_elements=[BuildsetRow.trigger_key]).returning(BuildsetRow.id)
    return session.execute(known).scalar()


def _go_on(ctx: Context, buildset: BuildsetRow, key: str) -> None:
    buildset.trigger_key, buildset.state = key, BuildsetState.NEW
    buildset.triggered_at = buildset.created_at = ctx.clock()
    buildset.result = buildset.fault = buildset.conflict = buildset.finished_at = None
    buildset.reasons = []
