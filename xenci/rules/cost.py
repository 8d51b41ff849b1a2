"""What nodes cost: each from its creation to its deletion, by the price of an hour on its provider.

Clouds bill a server from the call that made it, so a failed launch and a node that nobody used cost as well. Where no
price is known nothing is guessed: the hours are counted apart, and money that is not known is None, never 0. Prices
are those of the configuration as it is now, also for days that are past.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

#: the price of an hour by provider and label
Prices = Mapping[tuple[str, str], float]

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """A server, from when it was asked for until it was gone."""

    provider: str
    label: str
    created_at: datetime
    #: None while it lives
    ended_at: datetime | None
    #: the build that it was for, if it came to one
    build: int | None = None
    #: whether its launch failed
    is_failed: bool = False

    def hours(self, begins: datetime, ends: datetime) -> float:
        """Return how many of its hours lie between two moments."""
        lasted = min(self.ended_at or ends, ends) - max(self.created_at, begins)
        return max(lasted, timedelta()) / _HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """What some nodes cost together."""

    #: servers that lived in the time
    nodes: int = 0
    hours: float = 0.0
    #: hours of them that have no price
    unpriced: float = 0.0
    #: of the hours that have a price; None if there is no price at all
    money: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day of UTC; the last one as far as it is past."""

    day: date
    whole: Amount
    #: by provider
    parts: Mapping[str, Amount]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """The nodes of a label on a provider."""

    provider: str
    label: str
    #: of an hour; None if it has none
    price: float | None
    whole: Amount
    #: of launches that failed
    failed: Amount
    #: of nodes that became ready, or are becoming so, and served no build
    unused: Amount


def amount(lives: Iterable[Life], prices: Prices, begins: datetime, ends: datetime) -> Amount:
    """Return what lives cost between two moments; those without an end count up to the second."""
    sum_ = _Sum()
    for life in lives:
        sum_.add(life, prices, life.hours(begins, ends))
    return sum_.amount(prices)


def by_build(lives: Iterable[Life], prices: Prices, at: datetime) -> dict[int, Amount]:
    """Return what the node of each build cost in its whole life, with its launch and its wait for the build."""
    sums: dict[int, _Sum] = {}
    for life in lives:
        if life.build is not None:
            sums.setdefault(life.build, _Sum()).add(life, prices, life.hours(life.created_at, at))
    return {build: one.amount(prices) for build, one in sums.items()}


def by_day(lives: Iterable[Life], prices: Prices, first: date, at: datetime) -> list[Day]:
    """Return each day from the first to the one of `at`, those without nodes too."""
    days = [first + timedelta(days=i) for i in range((at.astimezone(UTC).date() - first).days + 1)]
    wholes = {day: _Sum() for day in days}
    parts: dict[date, dict[str, _Sum]] = {day: {} for day in days}
    for life in lives:
        for day in _days_of(life, first, at):
            begins, ends = _bounds(day)
            hours = life.hours(begins, min(ends, at))
            wholes[day].add(life, prices, hours)
            parts[day].setdefault(life.provider, _Sum()).add(life, prices, hours)
    return [
        Day(
            day=day,
            whole=wholes[day].amount(prices),
            parts={name: part.amount(prices) for name, part in sorted(parts[day].items())},
        )
        for day in days
    ]


def by_kind(lives: Sequence[Life], prices: Prices, begins: datetime, ends: datetime) -> list[Kind]:
    """Return what each label cost on each provider between two moments, those of a price and those of a node."""
    kinds = sorted({(life.provider, life.label) for life in lives} | set(prices))
    found = []
    for provider, label in kinds:
        mine = [life for life in lives if (life.provider, life.label) == (provider, label)]
        unused = [life for life in mine if life.build is None and not life.is_failed]
        found.append(
            Kind(
                provider=provider,
                label=label,
                price=prices.get((provider, label)),
                whole=amount(mine, prices, begins, ends),
                failed=amount([life for life in mine if life.is_failed], prices, begins, ends),
                unused=amount(unused, prices, begins, ends),
            )
        )
    return found


@dataclass(slots=True)
class _Sum:
    """Adds lives up."""

    nodes: int = 0
    hours: float = 0.0
    unpriced: float = 0.0
    money: float = field(default=0.0)

    def add(self, life: Life, prices: Prices, hours: float) -> None:
        if hours <= 0:
            return
        self.nodes += 1
        self.hours += hours
        price = prices.get((life.provider, life.label))
        if price is None:
            self.unpriced += hours
        else:
            self.money += price * hours

    def amount(self, prices: Prices) -> Amount:
        """Without any price, or if none of the hours has one, nothing is known of money."""
        is_known = bool(prices) and (self.unpriced < self.hours or not self.hours)
        return Amount(
            nodes=self.nodes, hours=self.hours, unpriced=self.unpriced, money=self.money if is_known else None
        )


def _days_of(life: Life, first: date, at: datetime) -> list[date]:
    begins = max(life.created_at.astimezone(UTC).date(), first)
    ends = min(life.ended_at or at, at).astimezone(UTC).date()
    return [begins + timedelta(days=i) for i in range((ends - begins).days + 1)]


def _bounds(day: date) -> tuple[datetime, datetime]:
    begins = datetime.combine(day, time(), UTC)
    return begins, begins + timedelta(days=1)
