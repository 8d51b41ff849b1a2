"""What a plan of the pool is made of, and what it says; `pool.py` makes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from xenci.rules.breaker import Ending
from xenci.rules.nodes import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A label and how many builds wait for it."""

    label: str
    min_ready: int
    max_nodes: int
    #: a ready node older than this is replaced
    max_age: timedelta
    queued: int = 0

    @property
    def idle(self) -> int:
        """Nodes that are to be ready."""
        return self.queued + self.min_ready


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """A provider and what it may be asked for."""

    name: str
    labels: frozenset[str]
    #: most servers of ours at once: its setting, or its quota if that is less
    capacity: int
    #: whether it answers
    is_open: bool = True
    #: how many nodes it gets, beside the others' weights
    weight: float = 1.0
    #: part of the last launches of each of its labels that it gets at least, while it works
    least_share: float = 0.0
    #: most servers that people want on it; what is ready or being launched beyond is given up. None: `capacity`, which
    #: a full quota may lower, gives up nothing
    wanted: int | None = None
    #: why it is emptied; empty if it is not
    drained: str = ""

    @property
    def may_grow(self) -> bool:
        """Whether it may be asked for nodes at all."""
        return self.is_open and not self.drained


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """Ask a provider for a node."""

    provider: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Retire:
    """Give up a node that runs no build: a ready one, or one that is being launched."""

    node: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """All that a plan is made of."""

    needs: Sequence[Need]
    supplies: Sequence[Supply]
    #: the live nodes
    nodes: Sequence[Node]
    #: how the last launches ended
    endings: Sequence[Ending] = ()
    #: when a label was last asked of a provider
    asked_at: dict[tuple[str, str], datetime] = field(default_factory=dict)
    #: providers of the last launches of each label that did not fail, the oldest first
    recent: Mapping[str, Sequence[str]] = field(default_factory=dict)
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do now."""

    launches: tuple[Launch, ...]
    retirements: tuple[Retire, ...]
    #: labels that lack nodes which nobody can be asked for now, and how many
    short: dict[str, int]
