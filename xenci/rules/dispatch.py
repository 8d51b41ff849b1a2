"""The order of the queue: who gets the next ready node.

A lower priority number is served first. Within it the projects take turns, so that a project with fifty changes holds
up none with one; and a project's turn goes to a recheck before a new change, to an old wish before a young one. Nodes
become ready one at a time, so what a project runs already counts as turns that it had. Whoever has waited longer than
`PATIENCE` goes first, the oldest at the beginning: with every order but age somebody could wait for ever.
"""

from collections.abc import Iterable, Mapping
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
    builds = list(waiting)
    overdue = [build for build in builds if now is not None and now - build.since > PATIENCE]
    first = [build.id for build in sorted(overdue, key=lambda build: (build.since, build.id))]
    late = set(first)
    return first + _by_turns([build for build in builds if build.id not in late], running or {})


def _by_turns(waiting: Iterable[Waiting], running: Mapping[str, int]) -> list[int]:
    turns: dict[tuple[int, str], int] = {}
    ranked = []
    for build in sorted(waiting, key=_within_project):
        key = (build.priority, build.project)
        turn = turns[key] = turns.get(key, running.get(build.project, 0) - 1) + 1
        ranked.append(((build.priority, turn, not build.is_recheck, build.since, build.id), build.id))
    return [number for _, number in sorted(ranked)]


def _within_project(build: Waiting) -> tuple[int, bool, datetime, int]:
    return build.priority, not build.is_recheck, build.since, build.id
