"""Puts right what no step would look at again, whatever left it so: the rows of builds, buildsets and nodes agree.

Each of these is kept from happening by locks where it would begin. This is the second net: a node that nobody uses and
nobody gives back costs money, and a buildset that nobody ends is a change without an answer.
"""

from datetime import timedelta

import structlog
from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from xenci.model.build import BuildsetState, BuildState
from xenci.model.node import NodeState
from xenci.model.outcome import Fault, Result
from xenci.services.advance.judge import settle
from xenci.services.context import Context
from xenci.services.pool import release
from xenci.services.withdraw import withdraw
from xenci.store.queue import is_configured
from xenci.store.tables import BuildRow, BuildsetRow, ChangeRow, NodeRow, PatchsetRow

_LOG = structlog.get_logger()
#: how long a run of a closed change may wait for its trees
_LONG_ENOUGH = timedelta(days=1)


def repair(ctx: Context) -> None:
    """Look for what does not agree, and mend it. Repeatable, and cheap where all is well."""
    with ctx.database.session() as session:
        _end_unknown(ctx, session)
        _end_unmade(ctx, session)
        _end_orphans(ctx, session)
        _give_back(session)
        unsettled = list(session.scalars(_UNSETTLED))
    for number in unsettled:
        with ctx.database.session() as session:
            buildset = session.get_one(BuildsetRow, number, with_for_update=True)
            if buildset.state == BuildsetState.RUNNING:
                _LOG.warning("repair.settled", buildset=number)
                settle(ctx, session, buildset)


_UNSETTLED = (
    select(BuildsetRow.id)
    .where(BuildsetRow.state == BuildsetState.RUNNING, BuildsetRow.builds.any())
    .where(~BuildsetRow.builds.any(BuildRow.state != BuildState.DONE))
)


def _end_unknown(ctx: Context, session: Session) -> None:
    """End the builds of jobs and pipelines that the configuration no longer has."""
    query = select(BuildRow).where(BuildRow.state.in_([BuildState.QUEUED, BuildState.RUNNING]))
    for build in session.scalars(query):
        if is_configured(ctx.settings, build):
            continue
        reason = f"the configuration no longer has the job {build.job}, or the pipeline {build.buildset.pipeline}"
        _LOG.warning("repair.unknown", build=build.id, reason=reason)
        if build.buildset.state != BuildsetState.DONE:
            withdraw(ctx, session, build.buildset, reason)
        _end(ctx, build, reason)


def _end_unmade(ctx: Context, session: Session) -> None:
    """End what is not prepared and never will be: of a pipeline that is gone, or a closed change's by an operator."""
    known = [pipeline.name for pipeline in ctx.settings.pipelines]
    lost = BuildsetRow.pipeline.not_in(known)
    # whatever an operator asked for is prepared in a day, or cannot be
    given_up = and_(ChangeRow.status != "NEW", BuildsetRow.created_at < ctx.clock() - _LONG_ENOUGH)
    query = (
        select(BuildsetRow)
        .join(PatchsetRow, PatchsetRow.id == BuildsetRow.patchset_id)
        .join(ChangeRow, ChangeRow.id == PatchsetRow.change_id)
        .where(BuildsetRow.state == BuildsetState.NEW, or_(lost, given_up))
        .with_for_update(of=BuildsetRow, skip_locked=True)
    )
    for buildset in session.scalars(query):
        _LOG.warning("repair.unmade", buildset=buildset.id, pipeline=buildset.pipeline)
        why = "the change is closed" if buildset.pipeline in known else "the configuration no longer has its pipeline"
        withdraw(ctx, session, buildset, why)


def _end_orphans(ctx: Context, session: Session) -> None:
    """End what waits for a node though its buildset has ended."""
    query = (
        select(BuildRow)
        .join(BuildsetRow)
        .where(BuildRow.state == BuildState.QUEUED, BuildsetRow.state == BuildsetState.DONE)
        .with_for_update(of=BuildRow, skip_locked=True)
    )
    for build in session.scalars(query):
        _LOG.warning("repair.orphan", build=build.id)
        _end(ctx, build, "its buildset has ended")


def _end(ctx: Context, build: BuildRow, reason: str) -> None:
    build.state, build.result, build.fault = BuildState.DONE, Result.ABORTED, Fault.NONE
    build.reasons, build.finished_at = [reason], ctx.clock()


def _give_back(session: Session) -> None:
    """Give back the nodes that are in use by builds which do not run on them."""
    runs = select(BuildRow.id).where(BuildRow.node_id == NodeRow.id, BuildRow.state == BuildState.RUNNING)
    orphans = (NodeRow.state == NodeState.IN_USE, NodeRow.image_id.is_(None), ~runs.exists())
    query = select(NodeRow.id).where(*orphans).order_by(NodeRow.id)
    for number in session.scalars(query).all():
        _LOG.warning("repair.given_back", node=number)
        release(session, number, "no build runs on it")
