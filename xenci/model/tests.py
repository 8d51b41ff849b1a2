"""Test results as a subunit stream tells them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class TestStatus(StrEnum):
    """How one test ended."""

    __test__ = False

    SUCCESS = "success"
    FAIL = "fail"
    SKIP = "skip"
    XFAIL = "xfail"
    UXSUCCESS = "uxsuccess"
    #: began and did not end: it hangs, or the run was cut
    INPROGRESS = "inprogress"


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """One test of one run."""

    __test__ = False

    #: dotted id with its attributes in brackets; `setUpClass (package.Class)` for a class's own set-up
    id: str
    status: TestStatus
    started_at: datetime | None
    finished_at: datetime | None
    #: traceback, or the reason of a skip; limited in size
    detail: str = ""

    @property
    def seconds(self) -> float | None:
        """Duration in seconds, if both ends are known."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()

    @property
    def is_failure(self) -> bool:
        return self.status in (TestStatus.FAIL, TestStatus.UXSUCCESS)
