"""The order of the queue: who gets the next ready node.

A lower priority number is served first. Within it the projects take turns, so that a project with fifty changes holds
up none with one; and a project's turn goes to a recheck before a new change, to an old wish before a young one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


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


def in_order(waiting: Iterable[Waiting]) -> list[int]:
    """Return the ids of waiting builds, the one to be served first at the beginning."""
    turns: dict[tuple[int, str], int] = {}
    ranked = []
    for build in sorted(waiting, key=_within_project):
        turn = turns[build.priority, build.project] = turns.get((build.priority, build.project), -1) + 1
        ranked.append(((build.priority, turn, not build.is_recheck, build.since, build.id), build.id))
    return [number for _, number in sorted(ranked)]


def _within_project(build: Waiting) -> tuple[int, bool, datetime, int]:
    return build.priority, not build.is_recheck, build.since, build.id
