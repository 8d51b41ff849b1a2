"""Joins the verdicts of a buildset's builds, and says whether and with which vote they are reported.

The vote is the last door: it stays shut for a patch set that is not current, a closed change, a pipeline that may not
vote, and a job that does not prove Xen. Merge and carry conflicts are nobody's noise: they are not reported at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from xenci.model.build import Mode
from xenci.model.outcome import SILENT, Fault, Result, Verdict

#: results that leave nothing to be said about the other jobs, the strongest first
_STRONG = (Result.MERGE_CONFLICT, Result.CARRY_CONFLICT, Result.DEPENDENCY_UNMET, Result.ABORTED)
#: results of jobs that were not needed
_UNNEEDED = frozenset({Result.SKIPPED, Result.NOT_APPLICABLE})


@dataclass(frozen=True, slots=True, kw_only=True)
class JobVerdict:
    """The verdict on a job: of its last attempt."""

    job: str
    verdict: Verdict


def buildset_verdict(jobs: Sequence[JobVerdict]) -> Verdict:
    """Join the verdicts of all jobs of one trigger.

    One failure that is proved the change's is enough; everything else must be clear before it is a success.
    """
    needed = [job for job in jobs if job.verdict.result not in _UNNEEDED]
    if not needed:
        reasons = tuple(dict.fromkeys(reason for job in jobs for reason in job.verdict.reasons))
        return Verdict(result=Result.NOT_APPLICABLE, fault=Fault.NONE, reasons=reasons or ("No job is needed.",))
    chosen = _deciding(needed)
    reasons = _told(chosen, is_one=len(jobs) == 1)
    first = chosen[0].verdict
    return Verdict(result=first.result, fault=first.fault, reasons=reasons)


def _deciding(needed: Sequence[JobVerdict]) -> list[JobVerdict]:
    """Return the jobs that decide, all of one kind."""
    if blamed := [job for job in needed if job.verdict.vote == -1]:
        return blamed
    for result in _STRONG:
        if found := [job for job in needed if job.verdict.result is result]:
            return found
    for fault in (Fault.INFRA, Fault.UNKNOWN):
        if found := [job for job in needed if job.verdict.fault is fault]:
            return found
    return [job for job in needed if job.verdict.result is not Result.SUCCESS] or list(needed)


def _told(jobs: Sequence[JobVerdict], *, is_one: bool) -> tuple[str, ...]:
    return tuple(reason if is_one else f"{job.job}: {reason}" for job in jobs for reason in job.verdict.reasons)


def why_not_reported(mode: Mode, verdict: Verdict, *, is_current: bool, is_open: bool) -> str | None:
    """Return why nothing is to be posted, as a sentence, or None if it is."""
    if verdict.result in SILENT:
        return f"{verdict.result} is not reported."
    if mode is Mode.STORE_ONLY:
        return "The pipeline only stores its results."
    if not is_open:
        return "The change is closed."
    if not is_current:
        return "There is a newer patch set."
    return None


def allowed_vote(
    mode: Mode, verdict: Verdict, *, is_current: bool, is_open: bool, proves_xen: bool = True
) -> int | None:
    """Return the Verified value to post with a report, or None for a comment without one.

    `proves_xen` is False if a job of the buildset asks for no hypervisor: such machines test xenci and never vote.
    """
    vote = verdict.vote
    if vote is None or not (is_current and is_open and proves_xen):
        return None
    if mode is Mode.VOTE or (mode is Mode.PLUS_ONE and vote > 0):
        return vote
    return None


def merge_conflict(files: Sequence[str]) -> Verdict:
    """The change does not merge with its branch's tip: the author sees that in Gerrit, nothing is posted."""
    said = f"The change does not merge with the tip of its branch: {', '.join(files) or 'no file was named'}."
    return Verdict(result=Result.MERGE_CONFLICT, fault=Fault.NONE, reasons=(said,))


def carry_conflict(patch: str, files: Sequence[str], *, on_tip: bool) -> Verdict:
    """The carried series does not apply: the working group is told, nothing is posted."""
    where = "not even on the tip of the branch" if on_tip else "on the change, though it does on the tip of the branch"
    verb = "does not apply" if not on_tip else "applies"
    said = f"The carried patch {patch} {verb} {where}: {', '.join(files) or 'no file was named'}."
    return Verdict(result=Result.CARRY_CONFLICT, fault=Fault.INFRA, reasons=(said,))


def not_applicable(reason: str) -> Verdict:
    """No job is for this branch: nothing runs and nothing is posted."""
    return Verdict(result=Result.NOT_APPLICABLE, fault=Fault.NONE, reasons=(reason,))
