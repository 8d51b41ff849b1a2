"""Once an hour: lets go of what is older than the configuration wants it kept, so that no disk fills by itself."""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from xenci.errors import Temporary
from xenci.model.build import BuildsetState, BuildState
from xenci.services.context import Context
from xenci.services.engine import alive
from xenci.store.tables import ArtifactRow, BuildRow, BuildsetRow, EventRow

_LOG = structlog.get_logger()

#: how often
EVERY = timedelta(hours=1)
#: how long the trees of an ended buildset are kept: long enough to look into it, or to ask for it again
TREES_KEPT = timedelta(days=7)
#: how long what Gerrit told us is kept
EVENTS_KEPT = timedelta(days=90)
#: builds in one turn, so that a turn after a long pause does not last for hours
_MOST = 200


def tidy(ctx: Context, _row: int = 0) -> None:
    """Remove old logs, trees and events. Repeatable."""
    at = ctx.clock()
    builds = _remove_logs(ctx, at - ctx.settings.artifacts.keep)
    trees = _forget_trees(ctx, at - TREES_KEPT)
    with ctx.database.session() as session:
        old = delete(EventRow).where(EventRow.received_at < at - EVENTS_KEPT, EventRow.outcome.is_not(None))
        session.execute(old)
    alive(ctx, "tidy", f"logs of {builds} builds and {trees} trees were let go")


def _remove_logs(ctx: Context, before: datetime) -> int:
    with ctx.database.session() as session:
        old = (
            select(BuildRow)
            .where(BuildRow.state == BuildState.DONE, BuildRow.finished_at < before, BuildRow.artifacts.any())
            .order_by(BuildRow.id)
            .limit(_MOST)
        )
        found = [(build.id, build.uuid) for build in session.scalars(old)]
    for build, uuid in found:
        # the files first: what is left after a crash is still found by its rows
        ctx.artifacts.remove(uuid)
        with ctx.database.session() as session:
            session.execute(delete(ArtifactRow).where(ArtifactRow.build_id == build))
        _LOG.info("tidy.logs", build=build)
    return len(found)


def _forget_trees(ctx: Context, before: datetime) -> int:
    """Let go of the trees of buildsets that ended long ago, and of those that no row knows."""
    count = 0
    for project in ctx.mirrors.projects():
        names = ctx.mirrors.names(project)
        # the names first, then the rows: a tree that is made meanwhile has its row already
        with ctx.database.session() as session:
            kept = _kept(session, before)
        gone = {name for name in names if name.split("-")[:2] not in kept}
        if gone:
            ctx.mirrors.forget(project, gone)
            _LOG.info("tidy.trees", project=project, trees=len(gone))
            count += len(gone)
    if count:
        try:
            ctx.mirrors.tidy()
        except Temporary as error:  # a mirror is in use for long: it is packed the next time
            _LOG.info("tidy.later", error=error.sentence)
    return count


def _kept(session: Session, before: datetime) -> list[list[str]]:
    """Return how the names of the trees begin that are still wanted: `buildset-ID`, see prepare.

    In whatever mirror they are: a change may need changes of other projects.
    """
    wanted = select(BuildsetRow.id).where(
        (BuildsetRow.state != BuildsetState.DONE) | (BuildsetRow.finished_at >= before)
    )
    return [["buildset", str(number)] for number in session.scalars(wanted)]
