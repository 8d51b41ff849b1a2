"""What the runs of a build prove about each test: how it ended, and whose fault that is."""

import pytest

from tests.unit.verdict_samples import BOOT, BOOT_CLASS, LIST, SET_UP, TEAR_DOWN, failed, passed
from xenci.model.tests import TestResult, TestStatus
from xenci.rules.proof import Blame, RunFacts, blame, run_facts, runnable, unexplained


def test_results_are_sorted_by_how_they_ended() -> None:
    def result(name: str, status: TestStatus) -> TestResult:
        return TestResult(id=name, status=status, started_at=None, finished_at=None)

    facts = run_facts(
        [
            result("a", TestStatus.SUCCESS),
            result("b", TestStatus.FAIL),
            result("c", TestStatus.SKIP),
            result("d", TestStatus.INPROGRESS),
            result("e", TestStatus.XFAIL),
            result("f", TestStatus.UXSUCCESS),
            result("g", TestStatus.INPROGRESS),
            result("g", TestStatus.SUCCESS),
        ],
        ["h"],
    )
    assert facts.passed == {"a", "e", "g"}
    assert facts.failed == {"b", "f"}
    assert facts.skipped == {"c"}
    assert facts.unfinished == {"d"}
    assert facts.never_started == {"h"}


@pytest.mark.parametrize(
    ("test", "again", "tip", "expected"),
    [
        (BOOT, failed(BOOT), passed(BOOT), Blame.CHANGE),
        (BOOT, failed(SET_UP), passed(BOOT), Blame.CHANGE),
        (BOOT, failed(BOOT), failed(SET_UP), Blame.TIP_TOO),
        (SET_UP, failed(SET_UP), failed(SET_UP), Blame.TIP_TOO),
        (SET_UP, failed(SET_UP), failed(BOOT), Blame.CHANGE),
        (SET_UP, passed(BOOT), None, Blame.FLAKY),
        (SET_UP, failed(SET_UP), passed(LIST), Blame.UNPROVED),
        (SET_UP, failed(SET_UP), RunFacts(skipped=frozenset({SET_UP})), Blame.UNPROVED),
        (TEAR_DOWN, failed(TEAR_DOWN), passed(BOOT), Blame.CHANGE),
        (
            TEAR_DOWN,
            failed(TEAR_DOWN),
            RunFacts(passed=frozenset({BOOT}), unfinished=frozenset({TEAR_DOWN})),
            Blame.UNPROVED,
        ),
        (BOOT, None, passed(BOOT), Blame.UNPROVED),
        (BOOT, failed(BOOT), RunFacts(unfinished=frozenset({BOOT})), Blame.UNPROVED),
    ],
)
def test_blame_follows_what_the_other_runs_say(test: str, again: RunFacts, tip: RunFacts, expected: Blame) -> None:
    assert blame(test, again, tip) is expected


def test_tests_of_a_class_that_failed_or_skipped_as_a_whole_are_accounted_for() -> None:
    never = frozenset({BOOT, "other.Class.test_x"})
    assert unexplained(RunFacts(failed=frozenset({SET_UP}), never_started=never)) == ["other.Class.test_x"]
    assert unexplained(RunFacts(skipped=frozenset({SET_UP}), never_started=never)) == ["other.Class.test_x"]


@pytest.mark.parametrize(
    ("test", "name"),
    [
        (BOOT, f"{BOOT_CLASS}.test_boot"),
        (SET_UP, BOOT_CLASS),
        (f"tearDownClass ({BOOT_CLASS})", BOOT_CLASS),
        ("unittest.loader._FailedTest.tempest.api.nope", "tempest.api.nope"),
    ],
)
def test_a_failed_test_is_run_again_by_its_dotted_name(test: str, name: str) -> None:
    assert runnable(test) == name
