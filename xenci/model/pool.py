"""What an operator may say about the pool that the configuration says otherwise."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class OverrideKind(StrEnum):
    """Which figure of the configuration an override stands for."""

    #: of a provider: it is emptied, whatever its max_servers is
    DRAIN = "drain"
    #: of a provider: instead of `max_servers`
    MAX_SERVERS = "max_servers"
    #: of a label: instead of `max_nodes`
    MAX_NODES = "max_nodes"
    #: of a label: instead of `min_ready`
    MIN_READY = "min_ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Who wants something done, why, and when they said so."""

    who: str
    reason: str = ""
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """One word of an operator, which counts until it is taken back."""

    kind: OverrideKind
    #: the provider or label
    name: str
    #: the figure; 0 for a drain
    value: int
    by: str
    at: datetime
    reason: str = ""


#: all words that count now, by kind and name
Overrides = dict[tuple[OverrideKind, str], Override]
