"""The steps of a build's course: each looks at the node, does one thing, and says where to go from there."""

import json
import shlex
from collections.abc import Callable
from datetime import timedelta

import structlog

from xenci.errors import NotFound, XenciError
from xenci.gerrit.fields import clean, storable
from xenci.host.port import CommandFailed, Host, HostLost
from xenci.model.build import Phase, Run
from xenci.rules.build_facts import NOVA_ENDED
from xenci.rules.reruns import next_run
from xenci.services.advance import collect, evidence, judge, others
from xenci.services.advance.door import on_node
from xenci.services.advance.facts import gather, listed, tried
from xenci.services.advance.follow import LOOK_EVERY
from xenci.services.advance.unit import run_unit
from xenci.services.advance.work import Next, Work, begin_phase, end_phase, is_late
from xenci.services.context import Context
from xenci.store.tables import BuildRow

_LOG = structlog.get_logger()
_PROOF_LIMIT = 256 * 1024
#: exit code of the node's start of Nova that says: it runs, but from another tree than the one asked for
WRONG_TREE = 3

#: A step: None when the build has ended.
StepOfCourse = Callable[[Context, Work], Next | None]


def push_tree(ctx: Context, work: Work) -> Next:
    """Push the change's tree onto the node."""
    evidence.note_host(ctx, work)
    return _push(ctx, work, Run.FIRST, work.tree_sha, then="nova")


def push_tip(ctx: Context, work: Work) -> Next:
    """Push the tip's tree onto the node."""
    return _push(ctx, work, Run.TIP, work.tip_tree_sha, then="tip-nova")


def start_nova(ctx: Context, work: Work) -> Next:
    """Start Nova from the change's tree and prove that it is that tree. If it does not start, start it again."""
    return _nova(ctx, work, Run.FIRST, work.tree_sha, then="tempest")


def start_nova_again(ctx: Context, work: Work) -> Next:
    """Start Nova from the change's tree once more, after it did not start. If it does not again, ask the tip."""
    return _nova(ctx, work, Run.AGAIN, work.tree_sha, then="collect")


def start_tip_nova(ctx: Context, work: Work) -> Next:
    """Start Nova from the tip's tree."""
    return _nova(ctx, work, Run.TIP, work.tip_tree_sha, then="tip-tempest")


def run_tests(ctx: Context, work: Work) -> Next:
    """Run the job's whole list."""
    return _tempest(ctx, work, Run.FIRST)


def run_again(ctx: Context, work: Work) -> Next:
    """Run what failed once more, alone, on the same node."""
    return _tempest(ctx, work, Run.AGAIN)


def run_on_tip(ctx: Context, work: Work) -> Next:
    """Run what failed on the tip, on the same node."""
    return _tempest(ctx, work, Run.TIP)


def collect_logs(ctx: Context, work: Work) -> Next:
    """Gather the logs on the node and fetch them; without them the build is judged all the same."""
    return collect.collect(ctx, work)


def pass_judgement(ctx: Context, work: Work) -> None:
    """Judge, write the verdict, give the node back."""
    judge.finish(ctx, work)


STEPS: dict[str, StepOfCourse] = {
    "tree": push_tree,
    "nova": start_nova,
    "again-nova": start_nova_again,
    "tempest": run_tests,
    "again": run_again,
    "tip-tree": push_tip,
    "tip-nova": start_tip_nova,
    "tip-tempest": run_on_tip,
    "collect": collect_logs,
    "judge": pass_judgement,
}


def _push(ctx: Context, work: Work, run: Run, commit: str, *, then: str) -> Next:
    phase = begin_phase(ctx, work, Phase.TREE, run)
    repository = ctx.mirrors.repository(work.project)
    try:
        with on_node(ctx, work) as host:
            host.push_tree(
                repository,
                commit,
                remote_path=work.job.node.tree,
                ref=f"refs/xenci/{work.build_id}/{run}",
                timeout=work.limit(Phase.TREE),
            )
            if run is Run.FIRST:
                # they stay for the run on the tip: what they need is no part of the change
                others.put_on(ctx, work, host)
    except (HostLost, CommandFailed) as error:
        if is_late(ctx, phase):
            end_phase(ctx, work, Phase.TREE, run, outcome=f"timed out: {error.sentence}")
            return Next(step="collect", doing="collects logs: the tree could not be pushed in time")
        if isinstance(error, HostLost):
            raise
        _LOG.warning("build.push_failed", build=work.build_id, error=error.sentence)
        return Next(step=work.step, after=timedelta(seconds=5))
    end_phase(ctx, work, Phase.TREE, run, outcome="done", exit_code=0)
    return Next(step=then, doing=f"starts Nova from {'the tip' if run is Run.TIP else 'the change'}")


def _nova(ctx: Context, work: Work, run: Run, commit: str, *, then: str) -> Next:
    limit = work.limit(Phase.NOVA)
    command = work.job.node.start_nova.replace("{commit}", shlex.quote(commit)).replace(
        # the unit's own limit comes first: a start that takes too long is cut, not failed
        "{limit}",
        str(int(limit.total_seconds()) + 60),
    )
    with on_node(ctx, work) as host:
        ended = run_unit(ctx, work, host, Phase.NOVA, run, command)
        if ended is None:
            return Next(step=work.step, after=LOOK_EVERY)
        if ended.exit_code in (0, WRONG_TREE):
            _keep_proof(ctx, work, host, work.job.node.proof, run)
        elif ended.exit_code == NOVA_ENDED:
            _keep_proof(ctx, work, host, work.job.node.attempt, tried(run))
        if ended.exit_code == 0:
            evidence.remember_servers(ctx, work, host)
    if run is Run.AGAIN or ended.exit_code not in (0, WRONG_TREE):
        return _further(ctx, work)
    if not _is_tree_proved(ctx, work, run):
        return Next(step="collect", doing="Nova runs from another tree than the one pushed; collects logs")
    return Next(step=then, doing=_DOING[then])


def _tempest(ctx: Context, work: Work, run: Run) -> Next:
    with ctx.database.session() as session:
        tests = listed(session.get_one(BuildRow, work.build_id), work, run)
    command = work.job.node.tempest.replace("{tests}", shlex.join(tests))
    with on_node(ctx, work) as host:
        ended = run_unit(ctx, work, host, Phase.TEMPEST, run, command)
        if ended is None and work.label.hypervisor == "xen":
            evidence.look_for_guest(ctx, work, host, run)
    if ended is None:
        return Next(step=work.step, after=LOOK_EVERY, doing=judge.describe_progress(ctx, work, run))
    return _further(ctx, work)


def _is_tree_proved(ctx: Context, work: Work, run: Run) -> bool:
    with ctx.database.session() as session:
        facts = gather(session, work)
    return bool(facts.tip_agrees if run is Run.TIP else facts.tree_agrees)


def _further(ctx: Context, work: Work) -> Next:
    """Ask the rules which run the verdict still needs; none: collect."""
    with ctx.database.session() as session:
        repeat = next_run(gather(session, work), work.job.boot_tests, work.job.tests)
        if repeat is None:
            return Next(step="collect", doing=_DOING["collect"])
        build = session.get_one(BuildRow, work.build_id, with_for_update=True)
        build.memory = {**build.memory, f"tests_{repeat.run}": list(repeat.tests)}
    again = "again" if repeat.tests else "again-nova"
    step = again if repeat.run is Run.AGAIN else "tip-tree"
    return Next(step=step, doing=_DOING[step])


def _keep_proof(ctx: Context, work: Work, host: Host, path: str, name: str) -> None:
    """Keep what the start of Nova left as proof of the tree that it runs from, or was to run from."""
    try:
        proof = json.loads(host.read(path, limit=_PROOF_LIMIT))
        if clean(proof) != proof:
            raise ValueError("a string or a number in the proof that cannot be kept")
    except HostLost:
        raise
    except (NotFound, ValueError, RecursionError, XenciError) as error:
        proof = {"missing": storable(str(error))}
    with ctx.database.session() as session:
        build = session.get_one(BuildRow, work.build_id, with_for_update=True)
        build.proof = {**(build.proof or {}), str(name): proof}


_DOING = {
    "tempest": "runs the tests on the change",
    "again-nova": "starts Nova from the change once more",
    "again": "runs what failed once more, alone",
    "tip-tree": "asks the branch's tip about what failed",
    "tip-tempest": "runs what failed on the branch's tip",
    "collect": "collects logs",
}
