"""A new patch set that changes no code may take over the verdict on the one before, where the pipeline says so.

Only a verdict on the change itself is taken over, a vote in one way or the other: what ended by our own fault, or was
not shown to be anybody's, is run.
"""

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from xenci.config.models import Pipeline
from xenci.model.build import BuildsetState
from xenci.model.outcome import Fault, Result, Verdict
from xenci.services import outbox
from xenci.services.context import Context
from xenci.store.tables import BuildRow, BuildsetRow, PatchsetRow

_LOG = structlog.get_logger()


def find_earlier(session: Session, buildset: BuildsetRow, pipeline: Pipeline) -> BuildsetRow | None:
    """Return the run whose verdict holds for this patch set too, or None.

    Several patch sets in a row may change no code: the run is that of the last one before them.
    """
    change = buildset.patchset.change_id
    query = select(PatchsetRow).where(PatchsetRow.change_id == change).order_by(PatchsetRow.number)
    known = {patchset.number: patchset for patchset in session.scalars(query)}
    number = buildset.patchset.number
    while number in known and known[number].kind in pipeline.trigger.copy_verdict:
        number -= 1
        if earlier := _verdict_on(session, known.get(number), pipeline):
            return earlier
    return None


def take_over(ctx: Context, session: Session, buildset: BuildsetRow, earlier: BuildsetRow) -> None:
    """End a buildset with the verdict of an earlier one, and report it."""
    last: dict[str, BuildRow] = {}
    for build in sorted(earlier.builds, key=lambda build: build.attempt):
        last[build.job] = build
    said = f"Patch set {buildset.patchset.number} changes no code: the verdict on patch set {earlier.patchset.number}"
    verdict = Verdict(
        result=Result(earlier.result or Result.ERROR),
        fault=Fault(earlier.fault or Fault.INFRA),
        reasons=(f"{said} is taken over.", *(str(reason) for reason in earlier.reasons)),
    )
    buildset.state = BuildsetState.DONE
    buildset.result, buildset.fault, buildset.reasons = verdict.result, verdict.fault, list(verdict.reasons)
    buildset.tip_sha, buildset.merged_sha = earlier.tip_sha, earlier.merged_sha
    buildset.needs = earlier.needs
    buildset.finished_at = ctx.clock()
    outbox.put(ctx, session, buildset, list(last.values()), verdict)
    _LOG.info("buildset.copied", buildset=buildset.id, earlier=earlier.id, vote=buildset.vote)


def _verdict_on(session: Session, patchset: PatchsetRow | None, pipeline: Pipeline) -> BuildsetRow | None:
    """Return the newest run of a patch set that ended with a verdict on the change."""
    if patchset is None:
        return None
    query = (
        select(BuildsetRow)
        .where(
            BuildsetRow.patchset_id == patchset.id,
            BuildsetRow.pipeline == pipeline.name,
            BuildsetRow.state == BuildsetState.DONE,
            BuildsetRow.result.in_([Result.SUCCESS, Result.FAILURE]),
            BuildsetRow.fault.in_([Fault.NONE, Fault.CHANGE]),
            BuildsetRow.builds.any(),
        )
        .order_by(BuildsetRow.id.desc())
        .limit(1)
    )
    return session.scalar(query)
