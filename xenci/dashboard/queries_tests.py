"""Finds the tests of a build: what failed, how it went when run again and on the tip, and a test's history."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session, contains_eager, defer

from xenci.model.build import Run
from xenci.model.tests import TestResult, TestStatus
from xenci.rules.proof import Blame, RunFacts, blame, outcome, run_facts
from xenci.store.tables import BuildRow, BuildsetRow, PatchsetRow, TestRow

FAILED = (TestStatus.FAIL, TestStatus.UXSUCCESS)
#: failures that a build's page shows, and tracebacks on the page of all tests
_MOST = 50
#: signs of an error that stand above its traceback
_LONGEST = 300
#: signs of a traceback in the list of all tests
_LONGEST_TRACE = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A test that failed in the first run, and how it did in the others."""

    test: TestRow
    blame: Blame
    #: `passed`, `failed`, or empty for no answer: run again alone, and on the tip
    again: str
    tip: str
    #: statuses in the builds until this one, oldest first
    history: tuple[str, ...] = ()

    @property
    def is_the_changes(self) -> bool:
        return self.blame is Blame.CHANGE

    @property
    def last_words(self) -> str:
        """The end of the traceback, from the line on that names the error."""
        lines = [line.strip() for line in self.test.detail.strip().splitlines() if line.strip()]
        begins = max((i for i, line in enumerate(lines) if _names_an_error(line)), default=len(lines) - 1)
        words = " ".join(lines[max(0, begins) :])
        return (words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…") or "it said nothing"


def _names_an_error(line: str) -> bool:
    head = line.split(":", 1)[0]
    return ":" in line and " " not in head and "." in head and head.replace(".", "").replace("_", "").isalnum()


def failures_of(session: Session, build: BuildRow) -> list[Failure]:
    """Return what failed in the first run: the change's failures first, then in the order in which they failed."""
    failed = session.scalars(
        select(TestRow)
        .where(TestRow.build_id == build.id, TestRow.run == Run.FIRST, TestRow.status.in_(FAILED))
        .order_by(TestRow.finished_at, TestRow.id)
        .limit(_MOST)
    ).all()
    again, tip = _run(session, build, Run.AGAIN), _run(session, build, Run.TIP)
    failures = [
        Failure(
            test=test,
            blame=blame(test.test_id, again, tip),
            again=outcome(test.test_id, again),
            tip=outcome(test.test_id, tip),
            history=history_of(session, test.test_id, before=build),
        )
        for test in failed
    ]
    return sorted(failures, key=lambda failure: not failure.is_the_changes)


def _run(session: Session, build: BuildRow, run: Run) -> RunFacts | None:
    """Return how the tests of one of the short runs ended; None if none was seen in it."""
    rows = session.execute(
        select(TestRow.test_id, TestRow.status).where(TestRow.build_id == build.id, TestRow.run == run)
    )
    results = [
        TestResult(id=test_id, status=TestStatus(status), started_at=None, finished_at=None) for test_id, status in rows
    ]
    return run_facts(results) if results else None


def unfinished_of(session: Session, build: BuildRow) -> list[TestRow]:
    """Return the tests that began and have not ended: they run now, or hang."""
    return list(
        session.scalars(
            select(TestRow)
            .where(TestRow.build_id == build.id, TestRow.status == TestStatus.INPROGRESS)
            .order_by(TestRow.started_at)
            .limit(_MOST)
        )
    )


def previous_end(session: Session, test: TestRow) -> datetime | None:
    """Return when the test before this one ended, in the same run of the same build."""
    return session.scalar(
        select(func.max(TestRow.finished_at)).where(
            TestRow.build_id == test.build_id,
            TestRow.run == test.run,
            TestRow.id != test.id,
            TestRow.finished_at < test.finished_at,
        )
    )


def history_of(session: Session, test_id: str, *, before: BuildRow, limit: int = 30) -> tuple[str, ...]:
    """Return how a test ended in the builds of the same job until this one, oldest first."""
    rows = session.scalars(
        select(TestRow.status)
        .join(BuildRow, BuildRow.id == TestRow.build_id)
        .where(
            TestRow.test_id == test_id, TestRow.run == Run.FIRST, BuildRow.job == before.job, BuildRow.id <= before.id
        )
        .order_by(BuildRow.id.desc())
        .limit(limit)
    )
    return tuple(reversed(list(rows)))


def tests_of(session: Session, build: BuildRow, *, run: str, status: str, text: str, limit: int) -> list[TestRow]:
    """Return the tests of one run of a build, failed ones first, without their details."""
    query = select(TestRow).where(TestRow.build_id == build.id, TestRow.run == run)
    if status:
        query = query.where(TestRow.status == status)
    if text:
        query = query.where(TestRow.test_id.icontains(text, autoescape=True))
    order = (TestRow.status.in_(FAILED).desc(), TestRow.id)
    return list(session.scalars(query.order_by(*order).limit(limit).options(defer(TestRow.detail))))


def details_of(session: Session, tests: Sequence[TestRow]) -> dict[int, str]:
    """Return tracebacks of the first failed tests and the reasons of skipped ones, cut, by the tests' rows."""
    failed = [test.id for test in tests if test.status in FAILED][:_MOST]
    skipped = [test.id for test in tests if test.status in (TestStatus.SKIP, TestStatus.XFAIL)]
    found: dict[int, str] = {}
    for ids, text in (
        (failed, func.right(TestRow.detail, _LONGEST_TRACE)),
        (skipped, func.left(TestRow.detail, _LONGEST)),
    ):
        found |= {id: said for id, said in session.execute(select(TestRow.id, text).where(TestRow.id.in_(ids)))}  # noqa: C416
    return found


def test_by_id(session: Session, build: BuildRow, number: int) -> TestRow | None:
    """Return one test of a build by its row's number."""
    return session.scalar(select(TestRow).where(TestRow.build_id == build.id, TestRow.id == number))


def status_counts(session: Session, build: BuildRow) -> dict[str, dict[str, int]]:
    """Return the numbers of tests by run and status."""
    seen: dict[str, dict[str, int]] = {}
    for run, status, number in session.execute(
        select(TestRow.run, TestRow.status, func.count())
        .where(TestRow.build_id == build.id)
        .group_by(TestRow.run, TestRow.status)
    ):
        seen.setdefault(run, {})[status] = number
    return seen


def runs_of_test(session: Session, test_id: str, *, limit: int) -> list[TestRow]:
    """Return what became of one test in the newest builds, newest first."""
    return list(
        session.scalars(
            select(TestRow)
            .join(TestRow.build)
            .join(BuildRow.buildset)
            .join(BuildsetRow.patchset)
            .join(PatchsetRow.change)
            .where(TestRow.test_id == test_id, TestRow.run == Run.FIRST)
            .order_by(TestRow.build_id.desc())
            .limit(limit)
            .options(
                contains_eager(TestRow.build)
                .contains_eager(BuildRow.buildset)
                .contains_eager(BuildsetRow.patchset)
                .contains_eager(PatchsetRow.change)
            )
        )
    )
