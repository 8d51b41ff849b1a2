"""Says how far back a look through the open changes must go, so that nothing is missed and little is asked for.

Up to the watermark everything was surely looked at, so a look begins there, less a margin for clocks that differ. That
covers an outage of any length. Once a day, and when the triggers changed, it goes back much farther: what was not
wanted then may be wanted now, and a mistake of ours is mended.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

#: how often a look is a wide one
WIDE_EVERY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What earlier looks left behind."""

    #: beginning of the last look that came to its end; None before the first
    looked_at: datetime | None = None
    #: beginning of the last wide one
    wide_at: datetime | None = None
    #: whether the triggers are those of that wide look
    is_same_trigger: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookback:
    """From when on open changes are asked for."""

    since: datetime
    is_wide: bool


def look_back(now: datetime, known: Known, *, margin: timedelta, age: timedelta) -> Lookback:
    """Return from when on changes are looked at. A watermark in the future counts as now."""
    wide = now - age
    if known.looked_at is None:
        return Lookback(since=wide, is_wide=True)
    narrow = min(known.looked_at, now) - margin
    is_due = known.wide_at is None or now - known.wide_at >= WIDE_EVERY or known.wide_at > now
    if is_due or not known.is_same_trigger:
        return Lookback(since=min(wide, narrow), is_wide=True)
    return Lookback(since=narrow, is_wide=False)
