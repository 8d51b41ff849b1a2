"""The geometry of the drawings."""

from datetime import UTC, date, datetime, timedelta

import pytest

from xenci.dashboard import charts, hearts
from xenci.rules.statistics import Counts, Day
from xenci.services import tidy
from xenci.store.tables import HeartRow

NOW = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
OFTEN = timedelta(minutes=5)


def days(*counts: Counts) -> list[Day]:
    return [Day(day=date(2026, 11, 1) + timedelta(days=i), counts=one) for i, one in enumerate(counts)]


def test_a_day_without_builds_breaks_the_line() -> None:
    drawn = charts.rate_curve(
        days(Counts(passed=1), Counts(passed=9, change=1), Counts(), Counts(passed=1), Counts(passed=2))
    )
    assert drawn.path == "M0 0L250 500M750 0L1000 0"
    assert drawn.dots == ()


def test_a_day_between_two_gaps_is_a_dot_and_never_zero() -> None:
    drawn = charts.rate_curve(days(Counts(passed=1), Counts(), Counts(passed=1), Counts(infra=4), Counts(passed=1)))
    assert drawn.path == ""
    assert [x for x, _ in drawn.dots] == [0, 500, 1000]


def test_the_axis_begins_at_80_only_if_nothing_is_lower() -> None:
    assert charts.rate_curve(days(Counts(passed=8, change=2))).low == 80
    assert charts.rate_curve(days(Counts(passed=7, change=3))).low == 0
    assert [label for _, label in charts.rate_curve(days(Counts(passed=1))).ticks] == ["100", "90", "80"]


def test_bars_are_stacked_from_the_ground_and_the_tallest_fills_the_picture() -> None:
    most, pieces = charts.stacked(days(Counts(passed=2, change=1, infra=1), Counts(), Counts(passed=2, apart=5)))
    assert most == 4
    assert [(p.kind, p.y, p.height) for p in pieces] == [
        ("passed", 50, 50),
        ("change", 25, 25),
        ("infra", 0, 25),
        ("passed", 50, 50),
    ]


def test_nothing_to_draw_is_no_division_by_zero() -> None:
    assert charts.stacked(days(Counts(), Counts())) == (0, [])
    assert charts.rate_curve(days(Counts())).path == ""


def test_a_loop_is_alive_by_the_newest_of_its_hearts() -> None:
    rows = [
        HeartRow(name="worker:1", beat_at=NOW - timedelta(hours=1), detail=""),
        HeartRow(name="worker:2", beat_at=NOW - timedelta(seconds=5), detail="busy"),
        HeartRow(name="reconcile", beat_at=NOW - timedelta(minutes=40), detail=""),
    ]
    listener, worker = hearts.judge(rows, NOW)
    assert (listener.is_fresh, listener.beat_at) == (False, None)
    assert (worker.is_fresh, worker.detail) == (True, "busy")
    assert [(beat.name, beat.is_fresh) for beat in hearts.judge_others(rows, NOW, reconcile_every=OFTEN)] == [
        ("reconcile", False)
    ]


def test_a_loop_that_was_silent_for_too_long_is_dead() -> None:
    row = HeartRow(name="listener", beat_at=NOW - timedelta(minutes=3, seconds=1), detail="")
    assert not hearts.judge([row], NOW)[0].is_fresh
    row = HeartRow(name="listener", beat_at=NOW - timedelta(minutes=3), detail="")
    assert hearts.judge([row], NOW)[0].is_fresh


@pytest.mark.parametrize(
    ("name", "minutes", "every", "is_fresh"),
    [
        ("tidy", 119, OFTEN, True),
        ("tidy", 121, OFTEN, False),
        ("reconcile", 31, OFTEN, False),
        ("reconcile", 119, timedelta(hours=1), True),
        ("reconcile", 121, timedelta(hours=1), False),
    ],
)
def test_a_loop_is_silent_when_it_has_missed_a_turn(name: str, minutes: int, every: timedelta, is_fresh: bool) -> None:
    row = HeartRow(name=name, beat_at=NOW - timedelta(minutes=minutes), detail="")
    (beat,) = hearts.judge_others([row], NOW, reconcile_every=every)
    assert beat.is_fresh is is_fresh


def test_the_dashboard_knows_how_often_tidy_runs() -> None:
    assert hearts.TIDY_EVERY == tidy.EVERY
