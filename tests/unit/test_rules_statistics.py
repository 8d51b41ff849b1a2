"""Rates and percentiles: what is counted where, and that little is not made much of."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenci.model.outcome import Fault, Result
from xenci.rules.statistics import (
    ENOUGH_FOR_P50,
    ENOUGH_FOR_P95,
    Counts,
    Ended,
    by_day,
    count,
    percentile,
    rate,
    spread,
)

MONDAY = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)


def ended(result: Result, fault: Fault, at: datetime = MONDAY) -> Ended:
    return Ended(finished_at=at, result=result, fault=fault)


PASSED = ended(Result.SUCCESS, Fault.NONE)
BROKEN = ended(Result.FAILURE, Fault.CHANGE)
OURS = ended(Result.RETRY_LIMIT, Fault.INFRA)
UNKNOWN = ended(Result.TIMED_OUT, Fault.UNKNOWN)
ABORTED = ended(Result.ABORTED, Fault.NONE)
CONFLICT = ended(Result.CARRY_CONFLICT, Fault.INFRA)


def test_each_fault_is_counted_apart() -> None:
    assert count([PASSED, PASSED, BROKEN, OURS, UNKNOWN, ABORTED, CONFLICT]) == Counts(
        passed=2, change=1, infra=1, unknown=1, apart=2
    )


def test_the_pass_rate_is_about_changes_alone() -> None:
    assert count([PASSED, PASSED, PASSED, BROKEN, OURS, OURS, UNKNOWN, ABORTED]).pass_rate == 0.75


def test_a_day_with_only_our_own_faults_has_no_rate_and_is_no_gap() -> None:
    (day,) = by_day([OURS], date(2026, 11, 16), date(2026, 11, 16))
    assert day.counts.pass_rate is None
    assert not day.is_gap


def test_a_day_without_builds_is_a_gap_and_not_nought_percent() -> None:
    days = by_day([PASSED, ended(Result.FAILURE, Fault.CHANGE, MONDAY + timedelta(days=2))], *_week())
    assert [day.counts.pass_rate for day in days] == [1.0, None, 0.0, None]
    assert [day.is_gap for day in days] == [False, True, False, True]


def test_days_are_days_of_utc() -> None:
    late = datetime(2026, 11, 17, 0, 30, tzinfo=timezone(timedelta(hours=2)))
    days = by_day([ended(Result.SUCCESS, Fault.NONE, late)], *_week())
    assert [day.counts.passed for day in days] == [1, 0, 0, 0]


def test_a_rate_needs_enough_builds_with_a_verdict() -> None:
    few = rate([PASSED] * 49 + [OURS] * 500)
    assert (few.share, few.counts.judged, few.need) == (None, 49, 50)
    assert rate([PASSED] * 50).share == 1.0
    assert rate([]).share is None


def test_a_percentile_of_few_values_is_not_told() -> None:
    minutes = [timedelta(minutes=i) for i in range(1, ENOUGH_FOR_P95 + 1)]
    none = spread([])
    assert (none.count, none.p50, none.p95, none.worst) == (0, None, None, None)
    few = spread(minutes[: ENOUGH_FOR_P50 - 1])
    assert (few.count, few.p50, few.worst) == (4, None, timedelta(minutes=4))
    some = spread(minutes[:-1])
    assert (some.p50, some.p95) == (timedelta(minutes=10), None)
    assert spread(minutes[::-1]).p95 == timedelta(minutes=19)


@pytest.mark.parametrize(("percent", "expected"), [(0, 1), (1, 1), (50, 5), (51, 6), (95, 10), (100, 10)])
def test_a_percentile_is_a_value_that_was_seen(percent: int, expected: int) -> None:
    values = [timedelta(seconds=i) for i in range(1, 11)]
    assert percentile(values, percent) == timedelta(seconds=expected)


def test_no_values_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


@given(st.lists(st.timedeltas(timedelta(0), timedelta(days=1)), min_size=ENOUGH_FOR_P95, max_size=60))
def test_percentiles_lie_in_order_among_the_values(values: list[timedelta]) -> None:
    found = spread(values)
    assert found.p50 is not None
    assert found.p95 is not None
    assert found.worst is not None
    assert min(values) <= found.p50 <= found.p95 <= found.worst == max(values)
    assert sum(1 for value in values if value <= found.p95) >= 0.95 * len(values)


@given(
    st.lists(
        st.builds(
            ended,
            result=st.sampled_from(Result),
            fault=st.sampled_from(Fault),
            at=st.sampled_from([MONDAY + timedelta(days=i) for i in range(4)]),
        ),
        max_size=20,
    )
)
def test_no_build_is_lost_or_counted_twice(builds: list[Ended]) -> None:
    days = by_day(builds, *_week())
    assert sum(sum((c.passed, c.change, c.infra, c.unknown, c.apart)) for c in (day.counts for day in days)) == len(
        builds
    )


def _week() -> tuple[date, date]:
    return date(2026, 11, 16), date(2026, 11, 19)
