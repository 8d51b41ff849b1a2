"""How far back a look goes: by table, and by a history of looks in which nothing stays unseen."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenci.rules.lookback import WIDE_EVERY, Known, look_back

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MARGIN, AGE = timedelta(hours=1), timedelta(days=7)


def ago(**much: float) -> datetime:
    return NOON - timedelta(**much)


@pytest.mark.parametrize(
    ("known", "since", "is_wide"),
    [
        (Known(), ago(days=7), True),
        (Known(looked_at=ago(minutes=5), wide_at=ago(hours=2)), ago(hours=1, minutes=5), False),
        (Known(looked_at=ago(minutes=5)), ago(days=7), True),
        (Known(looked_at=ago(minutes=5), wide_at=ago(days=1)), ago(days=7), True),
        (Known(looked_at=ago(minutes=5), wide_at=ago(hours=2), is_same_trigger=False), ago(days=7), True),
        (Known(looked_at=ago(days=60), wide_at=ago(days=60)), ago(days=60, hours=1), True),
        (Known(looked_at=ago(minutes=-9), wide_at=ago(hours=2)), ago(hours=1), False),
        (Known(looked_at=ago(minutes=5), wide_at=ago(hours=-2)), ago(days=7), True),
    ],
)
def test_a_look_begins_at_the_watermark_less_a_margin(known: Known, since: datetime, is_wide: bool) -> None:
    back = look_back(NOON, known, margin=MARGIN, age=AGE)
    assert (back.since, back.is_wide) == (since, is_wide)


@given(st.lists(st.integers(1, 60 * 24 * 40), min_size=1, max_size=12))
def test_whatever_the_pauses_between_two_looks_no_moment_is_left_out(pauses: list[int]) -> None:
    now, known = NOON, Known(looked_at=NOON, wide_at=NOON)
    for pause in pauses:
        before, now = now, now + timedelta(minutes=pause)
        back = look_back(now, known, margin=MARGIN, age=AGE)
        assert back.since <= before - MARGIN
        known = Known(looked_at=now, wide_at=now if back.is_wide else known.wide_at)
        assert known.wide_at is not None
        assert now - known.wide_at < WIDE_EVERY
