"""What a month is going to cost, and whether that is more than its share of the year's budget.

The method is told wherever the number is: a forecast whose method nobody knows is a rumour.
"""

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from xenci.rules.cost import Amount, Life, Prices, amount
from xenci.rules.pool_alarms import Alarm

METHOD = "what this month has cost so far, and for the rest of it what a day of the last 7 cost on average"
#: the days that the rest of the month is taken to be like
LOOKED_AT = timedelta(days=7)
#: with less to look at there is no forecast
LEAST = timedelta(days=1)
ALARM = "cost:month"

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """A month of UTC."""

    begins: datetime
    ends: datetime
    #: from its begin until now
    spent: Amount
    #: what a day costs of late; None without a price, or with too little to look at
    per_day: float | None
    #: what the month is going to cost; None like `per_day`
    expected: float | None
    #: the month's share of the year's budget
    budget: float

    @property
    def is_over(self) -> bool:
        """Whether the month passes its share of the budget, or has done so."""
        known = [money for money in (self.expected, self.spent.money) if money is not None]
        return any(money > self.budget for money in known)


def needed_since(at: datetime) -> datetime:
    """Return from when on the lives of nodes must be known for a forecast."""
    return min(_month(at)[0], at - LOOKED_AT)


def forecast(
    lives: Sequence[Life], prices: Prices, *, at: datetime, began_at: datetime | None, budget_per_year: float
) -> Forecast:
    """Return what the month is going to cost. `began_at` is when the first node of all was asked for."""
    begins, ends = _month(at)
    spent = amount(lives, prices, begins, at)
    looked_from = max(at - LOOKED_AT, began_at or at)
    lately = amount(lives, prices, looked_from, at).money
    per_day = lately / ((at - looked_from) / _DAY) if lately is not None and at - looked_from >= LEAST else None
    days_of_year = 366 if calendar.isleap(begins.year) else 365
    return Forecast(
        begins=begins,
        ends=ends,
        spent=spent,
        per_day=per_day,
        expected=None if per_day is None else (spent.money or 0.0) + per_day * ((ends - at) / _DAY),
        budget=budget_per_year * ((ends - begins) / _DAY) / days_of_year,
    )


def alarm(told: Forecast, currency: str) -> Alarm | None:
    """Return the alarm that should be open now, if any."""
    if not told.is_over:
        return None
    spent = f"{currency} {told.spent.money or 0:,.2f} is spent of {currency} {told.budget:,.2f}"
    expected = "" if told.expected is None else f"; about {currency} {told.expected:,.2f} by its end ({METHOD})"
    return Alarm(
        key=ALARM,
        brief="The nodes cost more this month than the budget has for it",
        detail=f"{told.begins:%B %Y}: {spent}{expected}",
        remedy="lower max_nodes, min_ready or max_servers, or raise cost.budget_per_year; see the page Cost",
    )


def _month(at: datetime) -> tuple[datetime, datetime]:
    begins = at.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return begins, begins + calendar.monthrange(begins.year, begins.month)[1] * _DAY
