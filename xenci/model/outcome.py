"""How things end: results in Zuul's names, whose fault it is, and the verdict that joins them."""

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """How a build or a buildset ended. The first group are Zuul's names and are parsed by Gerrit's results tab."""

    #: every test that was to run ran, and passed or was skipped
    SUCCESS = "SUCCESS"
    #: tests failed, or Nova did not start; the fault says whose failure it is
    FAILURE = "FAILURE"
    #: a phase passed its deadline; never a -1
    TIMED_OUT = "TIMED_OUT"
    #: no node could be had, or it was lost
    NODE_FAILURE = "NODE_FAILURE"
    #: logs could not be collected or evidence is missing
    POST_FAILURE = "POST_FAILURE"
    #: every attempt ended by our own fault
    RETRY_LIMIT = "RETRY_LIMIT"
    #: ended by a person, or as a newer patch set came
    ABORTED = "ABORTED"
    #: a job that this change does not need
    SKIPPED = "SKIPPED"
    #: a fault in xenci itself
    ERROR = "ERROR"
    #: the change does not merge with its branch's tip; no comment
    MERGE_CONFLICT = "MERGE_CONFLICT"
    #: the carried series does not apply on the change; no comment, the working group is told
    CARRY_CONFLICT = "CARRY_CONFLICT"
    #: what the change needs cannot be tested with it: outdated, abandoned, unknown, in a circle, or without a place on
    #: the node; no comment
    DEPENDENCY_UNMET = "DEPENDENCY_UNMET"
    #: no trigger wants this patch set (only documentation, say), or its branch has no driver and no carry
    NOT_APPLICABLE = "NOT_APPLICABLE"


#: Results that mean nothing was to be said in Gerrit.
SILENT = frozenset(
    {
        Result.MERGE_CONFLICT,
        Result.CARRY_CONFLICT,
        Result.DEPENDENCY_UNMET,
        Result.NOT_APPLICABLE,
        Result.ABORTED,
        Result.SKIPPED,
    }
)


class Fault(StrEnum):
    """Whose fault an ending is."""

    #: nobody's: it passed, or there was nothing to do
    NONE = "none"
    #: the change's, shown by running the same on the branch's tip
    CHANGE = "change"
    #: ours: cloud, node, network, carry, xenci
    INFRA = "infra"
    #: it cannot be told: flaky, or the tip fails too
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is thought of a build, and why."""

    result: Result
    fault: Fault
    #: sentences for people, the most important first
    reasons: tuple[str, ...] = ()
    #: whether another attempt could end differently
    retry: bool = False

    @property
    def vote(self) -> int | None:
        """The Verified value that this verdict is worth, or None."""
        if self.result is Result.SUCCESS:
            return 1
        if self.result is Result.FAILURE and self.fault is Fault.CHANGE:
            return -1
        return None
