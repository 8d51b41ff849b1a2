"""Gives waiting builds to ready nodes, in the order that `rules/dispatch.py` says."""

from collections import Counter

import structlog
from sqlalchemy import select

from xenci.model.build import BuildState, TriggerKind
from xenci.rules.dispatch import Waiting, in_order
from xenci.services.context import Context, free_gb
from xenci.services.engine import defer, nudge
from xenci.services.pool import claim
from xenci.store.marks import clear_alarm, raise_alarm
from xenci.store.tables import BuildRow, BuildsetRow

_LOG = structlog.get_logger()


def dispatch(ctx: Context, _row: int = 0) -> None:
    """Start as many waiting builds as there are ready nodes. Repeatable; one at a time, by the job's lock."""
    if not _is_room_on_disk(ctx):
        return
    with ctx.database.session() as session:
        waiting = session.scalars(select(BuildRow).where(BuildRow.state == BuildState.QUEUED)).all()
        running = Counter(
            build.buildset.patchset.change.project
            for build in session.scalars(select(BuildRow).where(BuildRow.state == BuildState.RUNNING))
        )
        for build_id in in_order([_waiting(ctx, build) for build in waiting], ctx.clock(), running):
            build = session.get_one(BuildRow, build_id)
            node = claim(session, ctx.settings.job(build.job).label, build.id)
            if node is None:
                continue
            build.node_id = node.id
            build.state = BuildState.RUNNING
            build.step = "tree"
            build.doing = f"has node {node.name}"
            build.started_at = ctx.clock()
            defer(session, "advance", build.id)
            nudge(session, "pool")
            _LOG.info("build.started", build=build.id, job=build.job, node=node.name, provider=node.provider)


def _waiting(ctx: Context, build: BuildRow) -> Waiting:
    buildset: BuildsetRow = build.buildset
    return Waiting(
        id=build.id,
        project=buildset.patchset.change.project,
        priority=ctx.settings.pipeline(buildset.pipeline).priority,
        is_recheck=buildset.trigger == TriggerKind.RECHECK,
        since=buildset.triggered_at,
    )


def _is_room_on_disk(ctx: Context) -> bool:
    """Tell whether the disk has room for another build's logs; an alarm says so if not."""
    free = free_gb(ctx.settings.artifacts_dir)
    least = ctx.settings.artifacts.min_free_gb
    with ctx.database.session() as session:
        if free >= least:
            clear_alarm(session, "disk", at=ctx.clock())
            return True
        raise_alarm(
            session,
            "disk",
            brief="The disk of the logs is nearly full: no new build starts",
            detail=f"{free:.1f} GB are free in {ctx.settings.artifacts_dir}; {least:g} GB are wanted",
            remedy="free some space, or lower artifacts.min_free_gb; waiting builds then start by themselves",
            at=ctx.clock(),
        )
    return False
