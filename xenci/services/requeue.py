"""Runs again, at an operator's word, what was cancelled or ended by a fault of ours: a new buildset, so that its
comment, its logs and its verdict are its own, and those of before stay what they were.

Asked twice while the first new run waits or runs, it makes one. The key of the trigger says which buildset it is for.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from xenci.errors import Permanent
from xenci.model.build import BuildsetState, BuildState
from xenci.model.outcome import Fault, Result
from xenci.services.byhand import add_run
from xenci.store.marks import audit
from xenci.store.tables import BuildRow, BuildsetRow


class CannotRequeue(Permanent):
    """The build is not run again."""


def requeue(
    session: Session, build: BuildRow, pipelines: Collection[str], *, who: str, reason: str, at: datetime
) -> tuple[BuildsetRow, bool]:
    """Return the new buildset, and whether it was made now; `pipelines` are those that there are.

    Raises CannotRequeue.
    """
    old = session.get_one(BuildsetRow, build.buildset_id, with_for_update=True, populate_existing=True)
    session.refresh(build)
    _check(build, old)
    if old.pipeline not in pipelines:
        remedy = f"there are {', '.join(sorted(pipelines))}"
        raise CannotRequeue(f"the configuration no longer has the pipeline {old.pipeline}", remedy=remedy)
    prefix = f"{old.patchset.change.number},{old.patchset.number}:{old.pipeline}:operator:requeue-{old.id}-"
    known = (
        select(BuildsetRow)
        .where(BuildsetRow.trigger_key.startswith(prefix, autoescape=True), BuildsetRow.state != BuildsetState.DONE)
        .limit(1)
    )
    if (under_way := session.scalar(known)) is not None:
        return under_way, False
    made = add_run(session, old.patchset_id, old.pipeline, prefix, who=who, at=at)
    audit(session, who=who, what=f"build requeue {build.id}", reason=reason, at=at)
    return made, True


def _check(build: BuildRow, buildset: BuildsetRow) -> None:
    run = f"{buildset.patchset.change.number},{buildset.patchset.number}"
    if build.state != BuildState.DONE:
        word = "runs" if build.state == BuildState.RUNNING else "waits for a node"
        raise CannotRequeue(f"build {build.id} {word}", remedy=f"end it first: xenci build cancel {build.id}")
    if buildset.state != BuildsetState.DONE:
        remedy = "wait for that one: xenci build list"
        raise CannotRequeue(f"build {build.id} has another attempt under way already", remedy=remedy)
    if any(one.job == build.job and one.attempt > build.attempt for one in buildset.builds):
        raise CannotRequeue(f"build {build.id} had another attempt", remedy="that one counts: xenci build list")
    if build.result != Result.ABORTED and build.fault != Fault.INFRA:
        detail = f"build {build.id} ended as {build.result}, which is no fault of ours"
        raise CannotRequeue(detail, remedy=f"xenci build run {run} runs the patch set whatever ran before")
