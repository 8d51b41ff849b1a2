"""Puts what is to be said about a buildset into the outbox, in the transaction that ends it."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from xenci.model.build import ReportState, Run
from xenci.model.outcome import Result, Verdict
from xenci.rules.known import SPAN, Elsewhere, known_or_new, worst_first
from xenci.rules.message import BuildLine, FailedTest, MessageFacts, Versions, comment, tag
from xenci.rules.proof import BLAME_WORDS, Blame, ranked, run_facts
from xenci.rules.voting import allowed_vote, why_not_reported
from xenci.services.advance.facts import results_of
from xenci.services.context import Context
from xenci.services.engine import defer
from xenci.store.history import seen_elsewhere
from xenci.store.tables import BuildRow, BuildsetRow, ReportRow, TestRow

#: failing tests that are compared with other changes'; a comment names ten
_MOST_COMPARED = 50


def put(ctx: Context, session: Session, buildset: BuildsetRow, builds: Sequence[BuildRow], verdict: Verdict) -> None:
    """Write the report of a finished buildset, with the vote that its pipeline allows; or why there is none."""
    mode = ctx.settings.pipeline(buildset.pipeline).mode
    # whether the patch set is still current is asked of Gerrit at the moment of posting
    buildset.vote = allowed_vote(
        mode, verdict, is_current=True, is_open=True, proves_xen=all(_proves_xen(ctx, build) for build in builds)
    )
    silent = why_not_reported(mode, verdict, is_current=True, is_open=True)
    made = session.execute(
        insert(ReportRow)
        .values(
            buildset_id=buildset.id,
            message=message_of(ctx, session, buildset, builds, verdict),
            vote=buildset.vote,
            tag=tag(buildset.pipeline),
            state=ReportState.DROPPED if silent else ReportState.PENDING,
            reason=silent or "",
            next_at=ctx.clock(),
        )
        .on_conflict_do_nothing(index_elements=[ReportRow.buildset_id])
        .returning(ReportRow.id)
    ).scalar()
    if made is not None and silent is None:
        defer(session, "report", made)


def message_of(
    ctx: Context, session: Session, buildset: BuildsetRow, builds: Sequence[BuildRow], verdict: Verdict
) -> str:
    """Return the comment about a buildset."""
    web = ctx.settings.web.public_url
    return comment(
        MessageFacts(
            pipeline=buildset.pipeline,
            builds=tuple(_line(ctx, session, build) for build in builds),
            fault=verdict.fault,
            reasons=verdict.reasons,
            versions=_versions(buildset, builds),
            contact=ctx.settings.contact,
            buildset_url=f"{web}buildset/{buildset.uuid}",
        )
    )


def _versions(buildset: BuildsetRow, builds: Sequence[BuildRow]) -> Versions | None:
    """Return what was under test; None where nothing was."""
    if not builds or not buildset.merged_sha:
        return None
    # where a verdict is taken over, another patch set was under test
    patchset = builds[0].buildset.patchset
    return Versions(
        patchset=f"{patchset.change.number},{patchset.number}",
        branch=patchset.change.branch,
        tip_sha=buildset.tip_sha or "",
        merged_sha=buildset.merged_sha,
        needs=tuple(f"{one['change']},{one['patchset']}" for one in buildset.needs or () if one["is_merged_in"]),
        carry=tuple(str(subject) for subject in builds[0].carry),
    )


def _line(ctx: Context, session: Session, build: BuildRow) -> BuildLine:
    page = f"{ctx.settings.web.public_url}build/{build.uuid}"
    first, again, tip = (run_facts(results_of(session, build.id, run)) for run in (Run.FIRST, Run.AGAIN, Run.TIP))
    blamed = ranked(first, again, tip)
    change = build.buildset.patchset.change
    seen = seen_elsewhere(
        session,
        [test for test, _ in blamed[:_MOST_COMPARED]],
        change_id=change.id,
        branch=change.branch,
        job=build.job,
        since=ctx.clock() - SPAN,
    )
    query = select(TestRow.test_id, TestRow.id).where(TestRow.build_id == build.id, TestRow.run == Run.FIRST)
    rows = {row.test_id: row.id for row in session.execute(query)}
    began, ended = build.started_at, build.finished_at
    return BuildLine(
        job=build.job,
        url=page,
        result=Result(build.result or Result.ERROR),
        duration=ended - began if began and ended else timedelta(),
        failed=tuple(
            FailedTest(id=test, url=f"{page}/tests#t{rows[test]}", note=_note(blame, seen.get(test)))
            for test, blame in worst_first(blamed, seen)
        ),
    )


def _note(blame: Blame, seen: Elsewhere | None) -> str:
    return "; ".join(filter(None, (BLAME_WORDS[blame], known_or_new(seen))))


def _proves_xen(ctx: Context, build: BuildRow) -> bool:
    """Tell whether a build's verdict is about Xen; where CIs are tried, a job that runs nothing may vote too."""
    job = ctx.settings.job(build.job)
    if job.noop:
        return ctx.settings.gerrit.is_sandbox(build.buildset.patchset.change.project)
    return ctx.settings.label(job.label).hypervisor == "xen"
