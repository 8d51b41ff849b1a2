"""Gathers what a verdict is made of from the rows of a build."""

from itertools import pairwise

from sqlalchemy import select
from sqlalchemy.orm import Session

from xenci.model.build import Phase, Run
from xenci.model.tests import TestResult, TestStatus
from xenci.rules.build_facts import BuildFacts, Step
from xenci.rules.proof import RunFacts, run_facts
from xenci.rules.testlist import compare
from xenci.services.advance.work import Work
from xenci.store.tables import BuildRow, EvidenceRow, PhaseRow, TestRow

_TIMED_OUT = "timed out"
#: begin of the outcome of a run whose stream is not whole
DAMAGED = "its stream is damaged: "


def gather(session: Session, work: Work, *, node_lost: str = "", broken: str = "", cancelled: str = "") -> BuildFacts:
    """Return the facts of a build as its rows tell them now."""
    build = session.get_one(BuildRow, work.build_id)
    phases = {
        (row.phase, row.run): row for row in session.scalars(select(PhaseRow).where(PhaseRow.build_id == work.build_id))
    }
    evidence = list(session.scalars(select(EvidenceRow).where(EvidenceRow.build_id == work.build_id)))
    proof = build.proof or {}

    def step(phase: Phase, run: Run) -> Step | None:
        row = phases.get((phase, run))
        return _step(row) if row is not None and row.finished_at is not None else None

    def run(run: Run) -> RunFacts | None:
        row = phases.get((Phase.TEMPEST, run))
        return _run(session, build, work, run, row) if row is not None and row.finished_at is not None else None

    failed = [run for run in (Run.FIRST, Run.AGAIN) if (start := step(Phase.NOVA, run)) and start.has_ended]
    return BuildFacts(
        attempt=build.attempt,
        attempts=work.job.attempts,
        cancelled=cancelled,
        node_lost=node_lost,
        broken=broken,
        tree=step(Phase.TREE, Run.FIRST),
        nova=step(Phase.NOVA, Run.FIRST),
        nova_again=step(Phase.NOVA, Run.AGAIN),
        nova_tip=step(Phase.NOVA, Run.TIP),
        tree_agrees=agrees(proof.get(Run.FIRST), work.tree_sha, work.job.node.tree),
        tip_agrees=agrees(proof.get(Run.TIP), work.tip_tree_sha, work.job.node.tree),
        tried_agrees=_tried([proof.get(tried(run)) for run in failed], work.tree_sha),
        first=run(Run.FIRST),
        again=run(Run.AGAIN),
        tip=run(Run.TIP),
        host_seen=any(row.kind == "host" and row.content for row in evidence),
        guest_seen=frozenset(Run(row.content["run"]) for row in evidence if row.kind == "guest"),
        collect=step(Phase.COLLECT, Run.FIRST),
        needs_xen=work.label.hypervisor == "xen",
    )


def agrees(proof: object, commit: str, tree: str) -> bool | None:
    """Tell whether Nova's own account of its tree is the tree that was pushed; None if it gave none.

    It must run from that commit, unchanged, imported from the tree and from nowhere else, by a process that began after
    the tree was checked out.
    """
    if not isinstance(proof, dict) or "missing" in proof:
        return None
    began_at, checked_out_at = proof.get("began_at"), proof.get("checked_out_at")
    return (
        proof.get("commit") == commit
        and str(proof.get("nova_file", "")).startswith(tree.rstrip("/") + "/")
        and not proof.get("from_elsewhere")
        and not proof.get("changed_files")
        and isinstance(began_at, int | float)
        and isinstance(checked_out_at, int | float)
        and began_at >= checked_out_at
    )


def tried(run: Run) -> str:
    """Name, in a build's proof, of what a start of Nova that failed was made of."""
    return f"tried_{run}"


def _tried(attempts: list[object], commit: str) -> bool | None:
    """Tell whether every start that failed was made of the tree that was pushed; None if one, or all, left no word.

    Each must have checked the tree out anew: what an earlier start left behind tells nothing of a later one.
    """
    moments: list[float] = []
    for told in attempts:
        if not isinstance(told, dict) or "missing" in told:
            return None
        if told.get("commit") != commit or told.get("changed_files"):
            return False
        moment = told.get("checked_out_at")
        if not isinstance(moment, int | float):
            return None
        moments.append(moment)
    return True if moments and all(a < b for a, b in pairwise(moments)) else None


def results_of(session: Session, build_id: int, run: Run) -> list[TestResult]:
    """Return the results of a run, in the order in which they came."""
    query = select(TestRow).where(TestRow.build_id == build_id, TestRow.run == run).order_by(TestRow.id)
    return [
        TestResult(
            id=row.test_id,
            status=TestStatus(row.status),
            started_at=row.started_at,
            finished_at=row.finished_at,
            detail=row.detail,
        )
        for row in session.scalars(query)
    ]


def listed(build: BuildRow, work: Work, run: Run) -> list[str]:
    """Return the names that a run was asked to run."""
    return list(work.job.tests) if run is Run.FIRST else list(build.memory.get(f"tests_{run}", []))


def _run(session: Session, build: BuildRow, work: Work, run: Run, row: PhaseRow) -> RunFacts:
    results = results_of(session, work.build_id, run)
    compared = compare(listed(build, work, run), results)
    return run_facts(
        results,
        compared.never_started,
        timed_out=row.outcome.startswith(_TIMED_OUT),
        exit_code=row.exit_code,
        damage=row.outcome.removeprefix(DAMAGED) if row.outcome.startswith(DAMAGED) else "",
    )


def _step(row: PhaseRow) -> Step:
    timed_out = row.outcome.startswith(_TIMED_OUT)
    return Step(timed_out=timed_out, exit_code=row.exit_code, detail="" if row.outcome == "done" else row.outcome)
