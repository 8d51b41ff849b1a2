"""Counts builds by day and by fault, and says how long things take, without making much of little.

The pass rate is about changes: passed ÷ (passed + failed by the change). What was our own fault, or could not be told,
is counted apart and drawn apart. A day without builds has no rate: a gap is a gap, not 0 %. A percentile needs some
values to be one: with fewer it is None and the count says why.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from xenci.model.outcome import SILENT, Fault, Result

#: builds with a verdict that make a rate worth a line
ENOUGH_BUILDS = 50
#: values that a median and a 95th percentile need
ENOUGH_FOR_P50, ENOUGH_FOR_P95 = 5, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A build that has ended."""

    finished_at: datetime
    result: Result
    fault: Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Builds by whose fault their ending is."""

    passed: int = 0
    #: failed, and it was the change's
    change: int = 0
    infra: int = 0
    unknown: int = 0
    #: aborted, skipped, not needed, or in conflict: nothing was judged
    apart: int = 0

    @property
    def judged(self) -> int:
        """Builds that the pass rate is about."""
        return self.passed + self.change

    @property
    def pass_rate(self) -> float | None:
        """Share from 0 to 1, or None where nothing was judged."""
        return self.passed / self.judged if self.judged else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day of UTC."""

    day: date
    counts: Counts

    @property
    def is_gap(self) -> bool:
        """Nothing ended on this day."""
        return self.counts == Counts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A pass rate, if there is enough to speak of one."""

    counts: Counts
    need: int = ENOUGH_BUILDS

    @property
    def share(self) -> float | None:
        """From 0 to 1, or None with fewer builds than needed."""
        return self.counts.pass_rate if self.counts.judged >= self.need else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How long something takes. A percentile is None if there are too few values for it."""

    count: int
    p50: timedelta | None
    p95: timedelta | None
    worst: timedelta | None


def count(builds: Iterable[Ended]) -> Counts:
    """Count builds by fault."""
    found = {"passed": 0, "change": 0, "infra": 0, "unknown": 0, "apart": 0}
    for build in builds:
        found[_kind(build)] += 1
    return Counts(**found)


def by_day(builds: Iterable[Ended], first: date, last: date) -> list[Day]:
    """Return each day from the first to the last, those without builds too; builds outside are left out."""
    ended: dict[date, list[Ended]] = {}
    for build in builds:
        ended.setdefault(build.finished_at.astimezone(UTC).date(), []).append(build)
    days = [first + timedelta(days=i) for i in range((last - first).days + 1)]
    return [Day(day=day, counts=count(ended.get(day, ()))) for day in days]


def rate(builds: Iterable[Ended], need: int = ENOUGH_BUILDS) -> Rate:
    """Return the pass rate of all builds together."""
    return Rate(counts=count(builds), need=need)


def spread(values: Iterable[timedelta]) -> Spread:
    """Return median, 95th percentile and the worst of some durations."""
    ordered = sorted(values)
    return Spread(
        count=len(ordered),
        p50=percentile(ordered, 50) if len(ordered) >= ENOUGH_FOR_P50 else None,
        p95=percentile(ordered, 95) if len(ordered) >= ENOUGH_FOR_P95 else None,
        worst=ordered[-1] if ordered else None,
    )


def percentile(ordered: Sequence[timedelta], percent: int) -> timedelta:
    """Return the smallest value that so many percent do not exceed (nearest rank). Raises ValueError without values."""
    if not ordered:
        raise ValueError("no values, no percentile")
    return ordered[max(0, math.ceil(percent * len(ordered) / 100) - 1)]


def _kind(build: Ended) -> str:
    if build.result is Result.SUCCESS:
        return "passed"
    if build.result in SILENT:
        return "apart"
    return {Fault.CHANGE: "change", Fault.INFRA: "infra", Fault.UNKNOWN: "unknown"}.get(build.fault, "apart")
