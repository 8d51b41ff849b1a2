"""Tells for each failed test whether the change is to blame: it fails, fails again alone, and passes on the tip.

A class's own set-up is reported as `setUpClass (package.Class)`, only when it fails or skips. So that it *passed* is
seen from the class's tests, and a test whose class could not be set up has failed too, as it could not begin.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from xenci.model.tests import TestResult, TestStatus

_FIXTURE = re.compile(r"(?:setUpClass|tearDownClass|setUpModule|tearDownModule) \(([\w.]+)\)")
_LOADER = "unittest.loader._FailedTest."


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """How one Tempest run ended, as sets of test ids."""

    passed: frozenset[str] = frozenset()
    failed: frozenset[str] = frozenset()
    skipped: frozenset[str] = frozenset()
    #: began and did not end
    unfinished: frozenset[str] = frozenset()
    #: was to run and was not seen (names as the list has them: tests, classes or modules)
    never_started: frozenset[str] = frozenset()
    #: the run passed its deadline
    timed_out: bool = False
    #: None if the run was cut or its unit is gone
    exit_code: int | None = 0
    #: what was lost of the stream that tells all this; empty if it is whole
    damage: str = ""

    @property
    def executed(self) -> int:
        """Number of tests that really ran to an end; a skipped one did not."""
        return len(self.passed) + len(self.failed)


class Blame(StrEnum):
    """What is known of one failed test."""

    #: failed, failed again alone, passed on the tip
    CHANGE = "change"
    #: failed, and the tip fails too
    TIP_TOO = "tip_too"
    #: failed, and passed when it ran again alone
    FLAKY = "flaky"
    #: not run again, or without an answer
    UNPROVED = "unproved"


_WORST_FIRST = (Blame.CHANGE, Blame.UNPROVED, Blame.FLAKY, Blame.TIP_TOO)
#: what is said of a failed test in a few words
BLAME_WORDS = {
    Blame.CHANGE: "passes on the tip",
    Blame.TIP_TOO: "fails on the tip too",
    Blame.FLAKY: "passed when run again",
    Blame.UNPROVED: "not compared with the tip",
}


def run_facts(
    results: Iterable[TestResult],
    never_started: Iterable[str] = (),
    *,
    timed_out: bool = False,
    exit_code: int | None = 0,
    damage: str = "",
) -> RunFacts:
    """Sort a run's results into sets. A class that skips itself as a whole leaves none of its tests behind."""
    latest = {result.id: result for result in results}
    sets: dict[str, set[str]] = {"passed": set(), "failed": set(), "skipped": set(), "unfinished": set()}
    for result in latest.values():
        if result.is_failure:
            sets["failed"].add(result.id)
        elif result.status is TestStatus.SKIP:
            sets["skipped"].add(result.id)
        elif result.status is TestStatus.INPROGRESS:
            sets["unfinished"].add(result.id)
        else:
            sets["passed"].add(result.id)
    fixed = {key: frozenset(ids) for key, ids in sets.items()}
    return RunFacts(
        never_started=frozenset(never_started), timed_out=timed_out, exit_code=exit_code, damage=damage, **fixed
    )


def blame(test: str, again: RunFacts | None, tip: RunFacts | None) -> Blame:
    """Say what is known of a test that failed in the first run."""
    match outcome(test, again):
        case "passed":
            return Blame.FLAKY
        case "failed":
            answer = outcome(test, tip)
            return {"passed": Blame.CHANGE, "failed": Blame.TIP_TOO}.get(answer, Blame.UNPROVED)
        case _:
            return Blame.UNPROVED


def ranked(first: RunFacts, again: RunFacts | None, tip: RunFacts | None) -> list[tuple[str, Blame]]:
    """Return the tests that failed in the first run, the change's first, then what is least explained."""
    order = list(_WORST_FIRST)
    blamed = [(test, blame(test, again, tip)) for test in first.failed]
    return sorted(blamed, key=lambda pair: (order.index(pair[1]), pair[0]))


def outcome(test: str, run: RunFacts | None) -> str:
    """Return `passed`, `failed` or `` (no answer) for a test, or a class's set-up, in another run."""
    if run is None:
        return ""
    name, where = bare(test), owner(test)
    failed = {bare(other) for other in run.failed}
    passed = {bare(other) for other in run.passed}
    if name in failed or (where and f"setUpClass ({where})" in failed):
        return "failed"
    if name in passed:
        return "passed"
    if _FIXTURE.fullmatch(name):
        unsure = {bare(other) for other in run.unfinished | run.skipped if _FIXTURE.fullmatch(bare(other))}
        is_begun = any(other.startswith(where + ".") for other in passed | failed)
        return "passed" if is_begun and name not in unsure else ""
    return ""


def bare(test: str) -> str:
    """Take the attributes in brackets off a test's id."""
    return test.split("[", 1)[0].strip()


def owner(test: str) -> str:
    """Return the class (or module) that a test or a fixture belongs to."""
    name = bare(test)
    if found := _FIXTURE.fullmatch(name):
        return found[1]
    return name.rpartition(".")[0]


def runnable(test: str) -> str:
    """Return the dotted name that runs a test again; for a class's set-up, the class."""
    name = bare(test)
    if found := _FIXTURE.fullmatch(name):
        return found[1]
    return name.removeprefix(_LOADER)


def unexplained(run: RunFacts) -> list[str]:
    """Return what never started though nothing that failed or skipped accounts for it."""
    accounted = {owner(test) for test in run.failed | run.skipped if _FIXTURE.fullmatch(bare(test))}
    accounted |= {bare(test).removeprefix(_LOADER) for test in run.failed if test.startswith(_LOADER)}
    return sorted(name for name in run.never_started if not _is_within(bare(name), accounted))


def _is_within(name: str, accounted: set[str]) -> bool:
    return any(name == whole or name.startswith(whole + ".") for whole in accounted)
