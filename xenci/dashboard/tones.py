"""Which tone (colour and glyph of the stylesheet) a word of state has; the word itself is always shown beside it."""

from xenci.model.build import BuildState, ReportState
from xenci.model.image import ImageState
from xenci.model.node import NodeState
from xenci.model.outcome import Fault, Result
from xenci.model.tests import TestStatus
from xenci.rules.proof import Blame

_RESULTS = {
    Result.SUCCESS: "good",
    Result.TIMED_OUT: "warn",
    Result.NODE_FAILURE: "infra",
    Result.POST_FAILURE: "infra",
    Result.RETRY_LIMIT: "infra",
    Result.ERROR: "infra",
    Result.CARRY_CONFLICT: "infra",
    Result.ABORTED: "skip",
    Result.SKIPPED: "skip",
    Result.MERGE_CONFLICT: "skip",
    Result.DEPENDENCY_UNMET: "skip",
    Result.NOT_APPLICABLE: "skip",
}
_FAULTS = {Fault.CHANGE: "bad", Fault.INFRA: "infra", Fault.UNKNOWN: "none", Fault.NONE: "good"}
_NODES = {
    NodeState.BUILDING: "wait",
    NodeState.TESTING: "wait",
    NodeState.READY: "good",
    NodeState.IN_USE: "live",
    NodeState.USED: "skip",
    NodeState.HOLD: "warn",
    NodeState.DELETING: "skip",
    NodeState.DELETED: "skip",
}
_IMAGES = {
    ImageState.READY: "wait",
    ImageState.PROMOTED: "good",
    ImageState.RETIRED: "skip",
    ImageState.FAILED: "infra",
    ImageState.DELETING: "skip",
    ImageState.DELETED: "skip",
}
_TESTS = {
    TestStatus.SUCCESS: "good",
    TestStatus.FAIL: "bad",
    TestStatus.UXSUCCESS: "bad",
    TestStatus.SKIP: "skip",
    TestStatus.XFAIL: "skip",
    TestStatus.INPROGRESS: "live",
}
_TEST_WORDS = {
    TestStatus.SUCCESS: "passed",
    TestStatus.FAIL: "failed",
    TestStatus.UXSUCCESS: "passed unexpectedly",
    TestStatus.SKIP: "skipped",
    TestStatus.XFAIL: "failed as expected",
    TestStatus.INPROGRESS: "not ended",
}
_REPORTS = {ReportState.PENDING: "wait", ReportState.POSTED: "good", ReportState.DROPPED: "skip"}

_BLAMES = {
    Blame.CHANGE: ("new, the change’s", "bad"),
    Blame.TIP_TOO: ("fails on the tip too", "infra"),
    Blame.FLAKY: ("flaky", "warn"),
    Blame.UNPROVED: ("not compared", "none"),
}


def result_tone(result: str | None, fault: str | None) -> str:
    """Return the tone of a result; a FAILURE has the tone of its fault. An unknown word is `none`."""
    if result == Result.FAILURE:
        return fault_tone(fault)
    return _RESULTS.get(Result(result), "none") if result in set(Result) else "none"


def fault_tone(fault: str | None) -> str:
    """Return the tone of a fault: red for the change, violet for us, grey for unknown."""
    return _FAULTS[Fault(fault)] if fault in set(Fault) else "none"


def state_of(state: str, result: str | None, fault: str | None) -> tuple[str, str]:
    """Return word and tone of a build or buildset: its result, or where it stands without one."""
    if result is not None:
        return result, result_tone(result, fault)
    if state in (BuildState.QUEUED, "new"):
        return ("waiting", "wait") if state == BuildState.QUEUED else ("preparing", "wait")
    return "running", "live"


def node_tone(state: str) -> str:
    """Return the tone of a node's state."""
    return _NODES[NodeState(state)] if state in set(NodeState) else "none"


def image_tone(state: str) -> str:
    """Return the tone of a node image's state; what is being made is live."""
    return _IMAGES.get(ImageState(state), "live") if state in set(ImageState) else "none"


def test_tone(status: str) -> str:
    """Return the tone of a test's status."""
    return _TESTS[TestStatus(status)] if status in set(TestStatus) else "none"


def test_word(status: str) -> str:
    """Return a test's status in our words."""
    return _TEST_WORDS[TestStatus(status)] if status in set(TestStatus) else status


def blame_of(blame: Blame) -> tuple[str, str]:
    """Return word and tone of what is known of a failed test."""
    return _BLAMES[blame]


def report_tone(state: str) -> str:
    """Return the tone of a report's state."""
    return _REPORTS[ReportState(state)] if state in set(ReportState) else "none"
