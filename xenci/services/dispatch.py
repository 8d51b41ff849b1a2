"""Gives waiting builds to ready nodes, in the order that `rules/dispatch.py` says."""

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from xenci.model.build import BuildsetState, BuildState
from xenci.services.context import Context, free_gb
from xenci.services.engine import defer, nudge, take
from xenci.services.fence import fenced
from xenci.services.pool import claim
from xenci.store.marks import clear_alarm, raise_alarm
from xenci.store.queue import waiting_in_order
from xenci.store.tables import BuildRow

_LOG = structlog.get_logger()
#: first half of the advisory lock's key
_LOCK = 0x64697370


def dispatch(ctx: Context, _row: int = 0) -> None:
    """Start as many waiting builds as there are ready nodes. Repeatable, and one at a time by an advisory lock."""
    with fenced(ctx.database, _LOCK, 0) as is_mine:
        while is_mine and _is_room_on_disk(ctx):
            _dispatch(ctx)
            with ctx.database.session() as session:
                if not take(session, "dispatch"):
                    return


def _dispatch(ctx: Context) -> None:
    weights = {provider.name: provider.weight for provider in ctx.settings.providers}
    with ctx.database.session() as session:
        for waiting in waiting_in_order(session, ctx.settings, ctx.clock()):
            build = _still_waiting(session, waiting.id)
            if build is None:
                continue
            node = claim(session, ctx.settings.job(build.job).label, build.id, weights=weights)
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


def _still_waiting(session: Session, build_id: int) -> BuildRow | None:
    """Lock a build and look again: it may have been withdrawn since the queue was read."""
    query = select(BuildRow).where(BuildRow.id == build_id).with_for_update(skip_locked=True)
    build = session.scalar(query.execution_options(populate_existing=True))
    if build is None or build.state != BuildState.QUEUED:
        return None
    session.refresh(build.buildset)
    return build if build.buildset.state == BuildsetState.RUNNING else None


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
