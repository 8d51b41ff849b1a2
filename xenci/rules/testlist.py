"""Compares what a job lists with what its run showed, so that a run that did less than it should is seen.

A list names tests, classes or modules; a stream names tests, and a class's own set-up where that failed or skipped.
Each seen test belongs to the entries that name it or something around it. An entry that nobody was seen of never
started, unless its class could not be set up or was skipped as a whole: then that is how it ended.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from xenci.model.tests import TestResult, TestStatus
from xenci.rules.proof import bare, owner

_FIXTURES = ("setUpClass (", "tearDownClass (", "setUpModule (", "tearDownModule (")
_LOADER = "unittest.loader._FailedTest."


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One name of the list, and what was seen of it."""

    #: dotted name of a test, a class or a module
    name: str
    #: ids seen, fixtures of its class among them, in the order in which they began
    seen: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A list and a run. All ids are the stream's, all names the list's."""

    entries: tuple[Entry, ...]
    #: ids of tests that ended, passed or failed; a fixture that failed is among them
    executed: tuple[str, ...]
    skipped: tuple[str, ...]
    #: ids of tests that began and did not end, in the order in which they began
    unfinished: tuple[str, ...]
    #: names of the list of which nothing was seen
    never_started: tuple[str, ...]
    #: names of the list that Python could not import or find: the list is wrong, or Tempest is
    not_loaded: tuple[str, ...]
    #: ids that no name of the list asks for
    strays: tuple[str, ...]

    @property
    def hanging(self) -> str | None:
        """The test that hangs, while the run goes on or when it was cut: of the unfinished the one that began last."""
        return self.unfinished[-1] if self.unfinished else None

    @property
    def is_nothing_executed(self) -> bool:
        """No test ran to an end: that says nothing about a change."""
        return not any(is_test(test) for test in self.executed)


def compare(names: Iterable[str], results: Sequence[TestResult]) -> Compared:
    """Compare a list of dotted names with a run's results, in the order in which they came."""
    latest = {result.id: result for result in results}
    ids = list(dict.fromkeys(result.id for result in results))
    listed = list(dict.fromkeys(bare(name) for name in names))
    entries = _entries(listed, ids)
    claimed = {test for entry in entries for test in entry.seen}
    unloaded = [bare(test).removeprefix(_LOADER) for test in ids if test.startswith(_LOADER)]
    not_loaded = tuple(e.name for e in entries if not e.seen and any(_is_part(e.name, part) for part in unloaded))
    status = {test: latest[test].status for test in ids}
    return Compared(
        entries=entries,
        executed=tuple(t for t in ids if status[t] not in (TestStatus.SKIP, TestStatus.INPROGRESS)),
        skipped=tuple(t for t in ids if status[t] is TestStatus.SKIP),
        unfinished=tuple(t for t in ids if status[t] is TestStatus.INPROGRESS),
        never_started=tuple(e.name for e in entries if not e.seen and e.name not in not_loaded),
        not_loaded=not_loaded,
        strays=tuple(t for t in ids if t not in claimed and not t.startswith(_LOADER)),
    )


def _entries(listed: list[str], ids: list[str]) -> tuple[Entry, ...]:
    """Give each name what is within it; a fixture also to names within its class, which cannot run without it."""
    seen: dict[str, list[str]] = {name: [] for name in listed}
    inside: dict[str, list[str]] = {}
    for name in listed:
        for outer in _around(name)[1:]:
            inside.setdefault(outer, []).append(name)
    for test in ids:
        where = bare(test) if is_test(test) else owner(test)
        asked = [name for name in _around(where) if name in seen]
        if not is_test(test):
            asked += inside.get(where, [])
        for name in asked:
            seen[name].append(test)
    return tuple(Entry(name=name, seen=tuple(tests)) for name, tests in seen.items())


def _around(name: str) -> list[str]:
    """Return a dotted name and all that it lies in, the innermost first."""
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(len(parts), 0, -1)]


def is_test(test: str) -> bool:
    """Tell whether an id is a test's, not a class's own set-up or an import that failed."""
    return not test.startswith((*_FIXTURES, _LOADER))


def fixture_class(test: str) -> str | None:
    """Return the class (or module) whose set-up or tear-down an id tells of; None for a test's id."""
    return owner(test) if test.startswith(_FIXTURES) else None


def cause(detail: str) -> str:
    """Return the line of a traceback that says what was raised, or the last line of another text."""
    lines = [line.rstrip() for line in detail.splitlines() if line.strip()]
    raised = [i for i, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    if not raised:
        return lines[-1].strip() if lines else ""
    for line in lines[raised[-1] + 1 :]:
        if not line.startswith((" ", "\t")):
            return line
    return lines[-1].strip()


def _is_part(name: str, part: str) -> bool:
    """Python's loader tells of a name that cannot be imported only the part that failed."""
    return bool(part) and (name == part or part in name.split("."))
