"""Lengths of time that vary, as `75m±20`: evenly spread between 55 and 95 minutes."""

import random
import re
from dataclasses import dataclass
from datetime import timedelta

from xenci.config.models import parse_duration
from xenci.errors import Permanent

_FORM = re.compile(r"\s*([\d.]+)\s*(s|m|min|h|d)\s*(?:(?:±|\+-|\+/-)\s*([\d.]+)\s*(s|m|min|h|d)?)?\s*")


class WrongLength(Permanent):
    """This is no length of time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """A mean, and how far from it a value may be."""

    mean: timedelta
    spread: timedelta = timedelta()

    @classmethod
    def parse(cls, text: str) -> "Length":
        """Read `12m`, `75m±20`, `75m+-20` or `1h±10m`; without a unit the spread has the mean's. Raises WrongLength."""
        found = _FORM.fullmatch(text)
        if found is None:
            raise WrongLength(text, remedy="write 12m, 75m±20 or 75m+-20")
        mean = parse_duration(found[1] + found[2])
        spread = parse_duration(found[3] + (found[4] or found[2])) if found[3] else timedelta()
        if spread > mean:
            raise WrongLength(text, remedy="let the spread be no more than the mean")
        return cls(mean=mean, spread=spread)

    def draw(self, chance: random.Random) -> timedelta:
        """Return a value, in whole seconds."""
        seconds = self.mean.total_seconds() + chance.uniform(-1, 1) * self.spread.total_seconds()
        return timedelta(seconds=round(seconds))
