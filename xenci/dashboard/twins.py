"""The same facts as the pages, as JSON: plain values, times in ISO 8601, no markup."""

from datetime import datetime
from typing import Any

from xenci.dashboard import sentences
from xenci.dashboard.queries_builds import TestCounts
from xenci.dashboard.queries_nodes import ProviderNodes
from xenci.dashboard.queries_tests import Failure
from xenci.store.tables import BuildRow, BuildsetRow, ChangeRow, NodeRow, PatchsetRow, PhaseRow, ReportRow


def moment(at: datetime | None) -> str | None:
    """Return a time in ISO 8601."""
    return at.isoformat(timespec="seconds") if at else None


def build_summary(build: BuildRow, counts: TestCounts | None) -> dict[str, Any]:
    """Return a build as a list has it."""
    patchset = build.buildset.patchset
    return {
        "id": build.id,
        "uuid": build.uuid,
        "change": patchset.change.number,
        "patchset": patchset.number,
        "project": patchset.change.project,
        "branch": patchset.change.branch,
        "job": build.job,
        "pipeline": build.buildset.pipeline,
        "buildset": build.buildset.uuid,
        "attempt": build.attempt,
        "state": build.state,
        "doing": build.doing,
        "result": build.result,
        "fault": build.fault,
        "reasons": build.reasons,
        "node": build.node.name if build.node else None,
        "provider": build.node.provider if build.node else None,
        "tests": test_counts(counts),
        "created_at": moment(build.created_at),
        "started_at": moment(build.started_at),
        "finished_at": moment(build.finished_at),
    }


def test_counts(counts: TestCounts | None) -> dict[str, int] | None:
    """Return how the tests of the first run ended, or None if none was seen."""
    if counts is None:
        return None
    return {
        "passed": counts.passed,
        "failed": counts.failed,
        "skipped": counts.skipped,
        "unfinished": counts.unfinished,
    }


def build_whole(build: BuildRow, counts: TestCounts | None, failures: list[Failure]) -> dict[str, Any]:
    """Return a build with its proofs, phases, failures and files."""
    return build_summary(build, counts) | {
        "patchset_sha": build.buildset.patchset.sha,
        "tip_sha": build.buildset.tip_sha,
        "merged_sha": build.buildset.merged_sha,
        "tree_sha": build.tree_sha,
        "tip_tree_sha": build.tip_tree_sha,
        "carry": build.carry,
        "needs": build.buildset.needs,
        "other_trees": build.other_trees,
        "proof": build.proof,
        "counts": build.counts,
        "evidence": [
            {"kind": row.kind, "seen_at": moment(row.seen_at), "content": row.content} for row in build.evidence
        ],
        "phases": [_phase(phase) for phase in build.phases],
        "failures": [
            {
                "test": failure.test.test_id,
                "again": failure.again or None,
                "tip": failure.tip or None,
                "blame": failure.blame,
                "said": failure.last_words,
                "detail": failure.test.detail,
            }
            for failure in failures
        ],
        "artifacts": [{"name": row.name, "size": row.size, "is_cut": row.is_cut} for row in build.artifacts],
    }


def _phase(phase: PhaseRow) -> dict[str, Any]:
    return {
        "phase": phase.phase,
        "run": phase.run,
        "started_at": moment(phase.started_at),
        "finished_at": moment(phase.finished_at),
        "deadline_at": moment(phase.deadline_at),
        "exit_code": phase.exit_code,
        "outcome": phase.outcome,
    }


def change(row: ChangeRow, patchsets: list[PatchsetRow]) -> dict[str, Any]:
    """Return a change with its patch sets and what became of each."""
    return {
        "number": row.number,
        "project": row.project,
        "branch": row.branch,
        "subject": row.subject,
        "owner": row.owner,
        "status": row.status,
        "url": row.url,
        "patchsets": [_patchset(patchset) for patchset in patchsets],
    }


def _patchset(row: PatchsetRow) -> dict[str, Any]:
    return {
        "number": row.number,
        "sha": row.sha,
        "uploaded_at": moment(row.uploaded_at),
        "state": sentences.of_patchset(row)[1],
        "not_run": row.not_run,
        "buildsets": [_buildset(buildset) for buildset in row.buildsets],
    }


def _buildset(row: BuildsetRow) -> dict[str, Any]:
    return {
        "uuid": row.uuid,
        "pipeline": row.pipeline,
        "trigger": row.trigger,
        "state": row.state,
        "result": row.result,
        "fault": row.fault,
        "vote": row.vote,
        "reasons": row.reasons,
        "conflict": row.conflict,
        "needs": row.needs,
        "triggered_at": moment(row.triggered_at),
        "finished_at": moment(row.finished_at),
        "builds": [
            {"id": b.id, "uuid": b.uuid, "job": b.job, "attempt": b.attempt, "result": b.result, "fault": b.fault}
            for b in row.builds
        ],
        "reports": [_report(report) for report in row.reports],
    }


def _report(row: ReportRow) -> dict[str, Any]:
    return {
        "state": row.state,
        "vote": row.vote,
        "tag": row.tag,
        "message": row.message,
        "reason": row.reason,
        "attempts": row.attempts,
        "posted_at": moment(row.posted_at),
    }


def provider(row: ProviderNodes) -> dict[str, Any]:
    """Return a provider with its nodes."""
    return {
        "name": row.name,
        "failure_domain": row.provider.failure_domain if row.provider else None,
        "max_servers": row.provider.max_servers if row.provider else None,
        "quota": row.told.quota if row.told else None,
        "failing_since": moment(row.told.failing_since) if row.told else None,
        "error": row.told.error if row.told else "",
        "nodes": [_node(node) for node in row.nodes],
        "past": [_node(node) for node in row.past],
    }


def _node(row: NodeRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "label": row.label,
        "state": row.state,
        "reason": row.reason,
        "failure": row.failure,
        "address": row.address,
        "build_id": row.build_id,
        "facts": row.facts,
        "created_at": moment(row.created_at),
        "ready_at": moment(row.ready_at),
        "state_at": moment(row.state_at),
        "deleted_at": moment(row.deleted_at),
    }
