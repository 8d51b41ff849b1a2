"""Measures what our comments show of Group B: none is missing, none too many, each can be read, and none is noise."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from xenci.model.outcome import SILENT, Fault, Result
from xenci.rules.readiness_facts import (
    BuildsetFact,
    CommentFact,
    CriterionState,
    Link,
    ReadinessFacts,
    ReportFact,
    Status,
)
from xenci.rules.readiness_state import (
    ENOUGH,
    ENOUGH_RECHECKS,
    GRACE,
    by_patchset,
    counted,
    is_recent,
    limited,
    state,
    too_few,
)
from xenci.rules.results_tab import KNOWN, show


def b5(facts: ReadinessFacts, now: datetime) -> CriterionState:
    """Finished buildsets whose result was to be told and was not."""
    ended = [run for run in facts.buildsets if is_recent(run.finished_at, now) and not run.says_nothing]
    due = [run for run in ended if run.posted_at or (run.finished_at and now - run.finished_at > GRACE)]
    bad = [run.id for run in due if run.posted_at is None]
    failures = sum(1 for run in due if run.result is not Result.SUCCESS and run.posted_at)
    return counted(
        "B5",
        good=len(due) - len(bad),
        bad=bad,
        kind="buildsets",
        noun="finished buildsets reported",
        bad_text="without a report",
        why=f"{failures} of them were no success.",
    )


def b6(facts: ReadinessFacts, now: datetime) -> CriterionState:
    """Comments of ours in Gerrit beyond one for each trigger of the patch set."""
    triggers = Counter(run.patchset_id for run in facts.buildsets)
    ours: dict[int, list[int]] = {}
    for comment in facts.comments:
        if comment.kind == "ours" and is_recent(comment.posted_at, now):
            ours.setdefault(comment.patchset_id, []).append(comment.id)
    excess = [id for patchset, ids in ours.items() for id in sorted(ids)[triggers[patchset] :]]
    total = sum(len(ids) for ids in ours.values())
    return counted(
        "B6",
        good=total - len(excess),
        bad=excess,
        kind="comments",
        noun="comments asked for by a trigger",
        bad_text="too many",
    )


def b7(facts: ReadinessFacts, now: datetime) -> CriterionState:
    """Rechecks on open, current patch sets that a pipeline wants, and that a run answered."""
    runs = by_patchset(facts.buildsets)
    rechecks = [c for c in facts.comments if c.kind == "recheck" and c.is_eligible]
    asked = [c for c in rechecks if is_recent(c.posted_at, now) and (c.is_wanted or c.patchset_id in runs)]
    bad = [c.id for c in asked if not _is_answered(c, runs.get(c.patchset_id, [])) and now - c.posted_at > GRACE]
    good = sum(1 for c in asked if _is_answered(c, runs.get(c.patchset_id, [])))
    return counted(
        "B7",
        good=good,
        bad=bad,
        kind="comments",
        noun="rechecks",
        bad_text="not honoured",
        need=ENOUGH_RECHECKS,
    )


def b11(facts: ReadinessFacts, now: datetime) -> CriterionState:
    """Posted comments that the results tab reads under their pipeline, with the contact page in them."""
    posted = _posted(facts.buildsets, now)
    bad = [report.id for run, report in posted if not _is_shown(run, report, facts)]
    return counted(
        "B11",
        good=len(posted) - len(bad),
        bad=bad,
        kind="reports",
        noun="comments",
        bad_text="not shown in full",
    )


def b12(facts: ReadinessFacts, now: datetime) -> CriterionState:
    """Comments on conflicts and votes on our own faults; comments without a vote are counted apart."""
    posted = _posted(facts.buildsets, now)
    bad = [r.id for run, r in posted if run.result in SILENT or (run.fault is Fault.INFRA and r.vote is not None)]
    apart = [r.id for run, r in posted if run.fault is Fault.INFRA and r.vote is None and run.result not in SILENT]
    silent = [run.id for run in facts.buildsets if is_recent(run.finished_at, now) and run.result in SILENT]
    value = f"{len(bad)} of {len(posted)} comments were noise"
    why = f"{len(apart)} told of a lasting fault of our own, without a vote; {len(silent)} endings were not told."
    links = [
        Link(text=f"{len(bad)} noise", kind="reports", ids=limited(bad)),
        Link(text=f"{len(apart)} on our own faults", kind="reports", ids=limited(apart)),
        Link(text=f"{len(silent)} not told", kind="buildsets", ids=limited(silent)),
    ]
    if bad:
        return state("B12", Status.NOT_MET, value, why, have=len(posted), need=ENOUGH, links=links)
    if len(posted) < ENOUGH:
        return too_few("B12", len(posted), ENOUGH, "comments", why, links)
    return state("B12", Status.MET, value, why, have=len(posted), need=ENOUGH, links=links)


def _posted(runs: Iterable[BuildsetFact], now: datetime) -> list[tuple[BuildsetFact, ReportFact]]:
    return [(run, run.report) for run in runs if run.report is not None and is_recent(run.posted_at, now)]


def _is_answered(comment: CommentFact, runs: Iterable[BuildsetFact]) -> bool:
    return any(
        (comment.key and run.trigger_key.endswith(f":recheck:{comment.key}")) or run.created_at >= comment.posted_at
        for run in runs
    )


def _is_shown(run: BuildsetFact, report: ReportFact, facts: ReadinessFacts) -> bool:
    shown = show(report.message, author=facts.account_name)
    if shown is None or facts.contact not in report.message:
        return False
    return shown.pipeline == run.pipeline and bool(shown.rows) and all(row.result in KNOWN for row in shown.rows)
