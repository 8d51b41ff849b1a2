"""What an operator may say about the pool that the configuration says otherwise."""

from dataclasses import dataclass
from datetime import datetime, timedelta
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On which terms a node is held."""

    #: the person whom it is held for
    owner: str
    reason: str
    #: for how long, from the moment on when it is
    length: timedelta
    #: the owner's key, `KIND BASE64`; None: whoever has xenci's own key gets in
    public_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Autohold:
    """A standing wish: nodes on which a job's builds, or a label's launches, end so are held. One of both is named."""

    job: str | None = None
    label: str | None = None
    #: the change whose builds alone are meant
    change: int | None = None
    #: names of Result for a job, of LaunchFailure for a label
    endings: tuple[str, ...]
    #: how many nodes it holds before it ends
    count: int = 1
