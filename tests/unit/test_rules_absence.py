"""What a deadline is worth after a break in which nobody looked."""

from datetime import UTC, datetime, timedelta

import pytest

from xenci.rules.absence import AWAY, GRACE, is_past, since_of
from xenci.store.database import Database
from xenci.store.marks import LIFE, back_at, beat

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("deadline", "back", "past"),
    [
        (AT, None, False),
        (AT - SECOND, None, True),
        # somebody looked all the time
        (AT - SECOND, AT - timedelta(days=1), True),
        # it passed during the break: it is put off
        (AT - timedelta(hours=1), AT, False),
        (AT - timedelta(hours=1), AT - GRACE, False),
        (AT - timedelta(hours=1), AT - GRACE - SECOND, True),
        # it lay just after the return: it is put off too
        (AT - SECOND, AT - 2 * SECOND, False),
        (AT + SECOND, AT - timedelta(days=1), False),
    ],
)
def test_a_deadline_is_over_only_where_somebody_looked(deadline: datetime, back: datetime | None, past: bool) -> None:
    assert is_past(deadline, AT, back) is past


def test_a_short_silence_is_no_break() -> None:
    long_ago = AT - timedelta(days=1)
    assert since_of(AT - AWAY, long_ago, AT) == long_ago
    assert since_of(AT - AWAY - SECOND, long_ago, AT) == AT


def test_a_heart_remembers_since_when_it_beats_without_a_break(database: Database) -> None:
    def seen(at: datetime) -> datetime | None:
        with database.session() as session:
            return back_at(session, at=at)

    def beaten(at: datetime) -> None:
        with database.session() as session:
            beat(session, LIFE, at=at)

    assert seen(AT) is None
    for minutes in (0, 1, 2):
        beaten(AT + timedelta(minutes=minutes))
    assert seen(AT + timedelta(minutes=3)) == AT
    late = AT + timedelta(hours=1)
    assert seen(late) == late, "before the first tick after a break"
    beaten(late)
    beaten(late + SECOND)
    assert seen(late + SECOND) == late
