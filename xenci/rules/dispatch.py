"""The order of the queue: who gets the next ready node.

A lower priority number is served first. Within it the projects take turns, so that a project with fifty changes holds
up none with one; and a project's turn goes to a recheck before a new change, to an old wish before a young one. Nodes
become ready one at a time, so what a project runs already counts as turns that it had, and so does what is served
before: to serve the whole order at once, or one by one, is the same. Whoever has waited longer than `PATIENCE` goes
before all others, whatever its priority and kind, as with every order but age somebody could wait for ever; projects
take turns there too, and a project's turn goes to its oldest.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

#: half of the four hours in which a change is to have its result
PATIENCE = timedelta(hours=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A build that waits for a node."""

    id: int
    project: str
    #: its pipeline's; a lower number is served first
    priority: int
    is_recheck: bool
    #: when it was asked for in Gerrit
    since: datetime


def in_order(
    waiting: Iterable[Waiting], now: datetime | None = None, running: Mapping[str, int] | None = None
) -> list[int]:
    """Return the ids of waiting builds, the one to be served first at the beginning.

    `running` tells how many builds each project runs. Without `now` nobody is told to have waited too long.
    """
    groups: dict[int | None, list[Waiting]] = {}
    for build in waiting:
        is_overdue = now is not None and now - build.since > PATIENCE
        groups.setdefault(None if is_overdue else build.priority, []).append(build)
    turns = Counter(running or {})
    order = _by_turns(groups.pop(None, []), turns, _by_age)
    for priority in sorted(key for key in groups if key is not None):
        order += _by_turns(groups[priority], turns, _by_kind)
    return order


#: what a project's own builds are sorted by
_Key = Callable[[Waiting], tuple[bool, datetime, int]]


def _by_turns(group: list[Waiting], turns: Counter[str], key: _Key) -> list[int]:
    """Let the projects take turns, and count these in `turns`."""
    ranked = []
    for build in sorted(group, key=key):
        ranked.append(((turns[build.project], key(build)), build.id))
        turns[build.project] += 1
    return [number for _, number in sorted(ranked)]


def _by_kind(build: Waiting) -> tuple[bool, datetime, int]:
    return not build.is_recheck, build.since, build.id


def _by_age(build: Waiting) -> tuple[bool, datetime, int]:
    return False, build.since, build.id
