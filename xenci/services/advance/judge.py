"""The end of a build: its verdict as a row, its node given back, another attempt or the buildset's own end."""

import secrets

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from xenci.errors import XenciError
from xenci.model.build import BuildsetState, BuildState, Run
from xenci.model.outcome import Fault, Result, Verdict
from xenci.model.tests import TestResult
from xenci.rules.build_facts import BuildFacts
from xenci.rules.testlist import compare
from xenci.rules.verdict import judge as judge_facts
from xenci.rules.voting import JobVerdict, buildset_verdict
from xenci.services import outbox
from xenci.services.advance.collect import write_index
from xenci.services.advance.facts import gather, listed, results_of
from xenci.services.advance.work import Work
from xenci.services.context import Context
from xenci.services.engine import defer
from xenci.services.keep import keep_ended
from xenci.services.pool import release
from xenci.store.tables import BuildRow, BuildsetRow

_LOG = structlog.get_logger()


def finish(ctx: Context, work: Work) -> None:
    """Judge a build that came to the end of its course."""
    with ctx.database.session() as session:
        _end(ctx, session, work, gather(session, work))


def abort(ctx: Context, work: Work, reason: str) -> None:
    """End a build that a person, or a newer patch set, wants ended."""
    write_index(ctx, work)
    with ctx.database.session() as session:
        _end(ctx, session, work, gather(session, work, cancelled=reason))


def lose_node(ctx: Context, work: Work, reason: str) -> None:
    """End a build whose node is lost: ours, so it is tried again on another."""
    write_index(ctx, work)
    with ctx.database.session() as session:
        _end(ctx, session, work, gather(session, work, node_lost=reason))


def give_up(ctx: Context, work: Work, error: XenciError) -> None:
    """End a build at an error that will not go away by itself on this node."""
    _LOG.warning("build.broken", build=work.build_id, step=work.step, error=error.sentence)
    write_index(ctx, work)
    with ctx.database.session() as session:
        _end(ctx, session, work, gather(session, work, broken=error.sentence))


def describe_progress(ctx: Context, work: Work, run: Run) -> str:
    """Return a sentence about how far a run is: how many are done, which one runs, and for how long."""
    with ctx.database.session() as session:
        results = results_of(session, work.build_id, run)
        names = listed(session.get_one(BuildRow, work.build_id), work, run)
    compared = compare(names, results)
    text = {
        Run.FIRST: "runs the tests on the change",
        Run.AGAIN: "runs what failed once more, alone",
        Run.TIP: "runs what failed on the branch's tip",
    }[run]
    done = len(compared.executed) + len(compared.skipped)
    text += f": {done} done, {len(compared.never_started)} of {len(names)} listed not yet begun"
    if compared.unfinished:
        running = compared.unfinished[-1]
        text += f"; now {running}"
    return text


def _end(ctx: Context, session: Session, work: Work, facts: BuildFacts) -> None:
    # the buildset first, as everywhere: two builds of it that end at once see each other's end
    known = session.get_one(BuildRow, work.build_id)
    buildset = session.get_one(BuildsetRow, known.buildset_id, with_for_update=True, populate_existing=True)
    build = session.get_one(BuildRow, work.build_id, with_for_update=True, populate_existing=True)
    if build.state == BuildState.DONE:
        return
    verdict = judge_facts(facts)
    build.state, build.doing, build.step = BuildState.DONE, "", "done"
    build.result, build.fault = verdict.result, verdict.fault
    build.reasons = list(verdict.reasons)
    build.finished_at = ctx.clock()
    build.counts = _counts(session, build, work)
    keep_ended(session, work.node.id, build)
    release(session, work.node.id, f"build {build.id} has ended: {verdict.result}", at=ctx.clock())
    defer(session, "node", work.node.id)
    nudge_pool(session)
    if work.node.address:
        ctx.hosts.forget(work.node.address)
    _LOG.info("build.ended", build=build.id, result=verdict.result, fault=verdict.fault, reasons=verdict.reasons)
    if verdict.retry and buildset.state == BuildsetState.RUNNING:
        _try_again(session, build)
    else:
        settle(ctx, session, buildset)


def nudge_pool(session: Session) -> None:
    """A node is free or used up: the pool looks at once."""
    defer(session, "pool")
    defer(session, "dispatch")


def _try_again(session: Session, build: BuildRow) -> None:
    """Queue another attempt at the same trees."""
    session.add(
        BuildRow(
            buildset_id=build.buildset_id,
            job=build.job,
            attempt=build.attempt + 1,
            uuid=secrets.token_hex(16),
            state=BuildState.QUEUED,
            doing="waits for a node",
            tree_sha=build.tree_sha,
            tip_tree_sha=build.tip_tree_sha,
            carry=build.carry,
            other_trees=build.other_trees,
        )
    )
    defer(session, "dispatch")


def settle(ctx: Context, session: Session, buildset: BuildsetRow) -> None:
    """End a buildset when the last attempt at each of its jobs has ended, and put its report into the outbox."""
    if buildset.state == BuildsetState.DONE:
        return
    builds = session.scalars(select(BuildRow).where(BuildRow.buildset_id == buildset.id).order_by(BuildRow.attempt))
    last = {build.job: build for build in builds}
    if not last or any(build.state != BuildState.DONE for build in last.values()):
        return
    verdict = buildset_verdict([JobVerdict(job=build.job, verdict=verdict_of(build)) for build in last.values()])
    buildset.state = BuildsetState.DONE
    buildset.result, buildset.fault = verdict.result, verdict.fault
    buildset.reasons = list(verdict.reasons)
    buildset.finished_at = ctx.clock()
    outbox.put(ctx, session, buildset, list(last.values()), verdict)
    _LOG.info("buildset.ended", buildset=buildset.id, result=verdict.result, vote=buildset.vote)


def verdict_of(build: BuildRow) -> Verdict:
    """Return a finished build's verdict as it was written down."""
    return Verdict(
        result=Result(build.result or Result.ERROR),
        fault=Fault(build.fault or Fault.INFRA),
        reasons=tuple(str(reason) for reason in build.reasons),
    )


def _counts(session: Session, build: BuildRow, work: Work) -> dict[str, dict[str, int]]:
    """Count each run's tests by how they ended, for lists and trends."""
    counts = {}
    for run in Run:
        results: list[TestResult] = results_of(session, build.id, run)
        if not results:
            continue
        compared = compare(listed(build, work, run), results)
        failed = sum(1 for result in results if result.is_failure)
        counts[str(run)] = {
            "passed": len(compared.executed) - failed,
            "failed": failed,
            "skipped": len(compared.skipped),
            "unfinished": len(compared.unfinished),
            "never_started": len(compared.never_started),
        }
    return counts
