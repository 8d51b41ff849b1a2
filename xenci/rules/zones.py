"""Which availability zone the next server goes to: servers are spread, a zone without room is left alone a while."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from xenci.model.node import LaunchFailure

#: how long a zone comes last after it had no room
SHUNNED = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A node that was given a zone."""

    zone: str
    #: whether its server may exist
    is_live: bool
    created_at: datetime
    failure: LaunchFailure | None = None
    failed_at: datetime | None = None


def next_zone(zones: Sequence[str], placed: Iterable[Placed], at: datetime) -> str | None:
    """Return the zone with the fewest servers, of equals the one that waited longest; None if none is configured."""
    servers = dict.fromkeys(zones, 0)
    last = dict.fromkeys(zones, datetime.min.replace(tzinfo=at.tzinfo))
    full: set[str] = set()
    for node in placed:
        if node.zone not in servers:
            continue
        servers[node.zone] += node.is_live
        last[node.zone] = max(last[node.zone], node.created_at)
        if node.failure is LaunchFailure.CAPACITY and node.failed_at is not None and at - node.failed_at < SHUNNED:
            full.add(node.zone)
    return min(zones, key=lambda zone: (zone in full, servers[zone], last[zone]), default=None)
