"""What all models of the configuration are made of: frozen, and with types for durations, names and patterns."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def parse_duration(value: Any) -> Any:
    """Turn `90s`, `10m`, `2h` or `1d` into a timedelta; anything else is left to pydantic, which refuses it."""
    if isinstance(value, str) and (found := re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|m|min|h|d)\s*", value)):
        try:
            return timedelta(seconds=float(found[1]) * _UNITS[found[2]])
        except OverflowError as error:
            raise ValueError(f"{value[:40]!r} is longer than any time: write fewer digits") from error
    if isinstance(value, timedelta):
        return value
    raise ValueError(f"{value!r} is no duration: write 90s, 10m, 2h or 1d")


#: a length of time: 90s, 10m, 2h, 1d
Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(lambda d: f"{d.total_seconds():.15g}s", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?\s*(s|m|min|h|d)$"}),
]

#: a name that appears in comments, addresses and unit names
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"{value!r} is no regular expression: {error}") from error
    return value


#: a regular expression
Pattern = Annotated[str, BeforeValidator(_pattern)]

#: a web address
Address = Annotated[str, Field(pattern=r"^https?://[^/\s]+")]


class Model(BaseModel):
    """Frozen; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
