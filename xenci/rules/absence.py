"""What a deadline is worth where nobody looked: what passed while xenci was down is held against nobody.

Whatever was to be seen meanwhile may have ended well, and the first look after a return may find a machine busy. So a
deadline never lies nearer than a while after the return.
"""

from datetime import datetime, timedelta

#: a loop that gave no sign of life for longer was away
AWAY = timedelta(minutes=1)
#: how long after a return nothing is late
GRACE = timedelta(minutes=5)


def since_of(before: datetime, since: datetime, at: datetime) -> datetime:
    """Return since when a loop looks without a break, from its last sign of life and what was known then."""
    return at if at - before > AWAY else since


def is_past(deadline: datetime, at: datetime, back_at: datetime | None) -> bool:
    """Tell whether a deadline is over; `back_at` is since when somebody looks without a break, None if nobody ever did.

    Both a deadline that passed before the return and one soon after it are put off.
    """
    return at > (deadline if back_at is None else max(deadline, back_at + GRACE))
