"""The queue and the events as JSON; see twins.py."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from xenci.dashboard.queries_events import Day
from xenci.dashboard.queries_queue import InQueue, Queue
from xenci.dashboard.twins import moment
from xenci.store.tables import BuildRow, BuildsetRow, EventRow


def queue(found: Queue) -> dict[str, Any]:
    """Return the queue."""
    return {
        "waiting": [waiting(one) for one in found.waiting],
        "running": [
            _build(build) | {"doing": build.doing, "started_at": moment(build.started_at)} for build in found.running
        ],
        "preparing": [_buildset(one) for one in found.preparing],
    }


def waiting(one: InQueue) -> dict[str, Any]:
    """Return a build that waits, with its place."""
    return (
        {"place": one.place}
        | _build(one.build)
        | {
            "label": one.label,
            "priority": one.priority,
            "why": one.why,
            "since": moment(one.build.buildset.triggered_at),
        }
    )


def events(rows: Sequence[EventRow], days: Sequence[Day], *, looked_at: datetime | None) -> dict[str, Any]:
    """Return events, and how the runs of each day were found."""
    return {
        "events": [
            {
                "id": row.id,
                "received_at": moment(row.received_at),
                "source": row.source,
                "type": row.type,
                "change": row.change,
                "patchset": row.patchset,
                "outcome": row.outcome,
            }
            for row in rows
        ],
        "looked_at": moment(looked_at),
        "found": [day_of(day) for day in days],
    }


def day_of(day: Day) -> dict[str, Any]:
    """Return how the runs of a day were found; `missed` are those that no event of the stream announced."""
    return {
        "day": day.day.isoformat(),
        "stream": day.stream,
        "events_log": day.events_log,
        "reconcile": day.reconcile,
        "operator": day.operator,
        "renew": day.renew,
        "missed": day.missed,
    }


def _build(build: BuildRow) -> dict[str, Any]:
    return {"id": build.id, "uuid": build.uuid, "job": build.job, "attempt": build.attempt} | _buildset(build.buildset)


def _buildset(row: BuildsetRow) -> dict[str, Any]:
    patchset = row.patchset
    return {
        "change": f"{patchset.change.number},{patchset.number}",
        "project": patchset.change.project,
        "pipeline": row.pipeline,
        "trigger": row.trigger,
        "asked_by": row.asked_by,
    }
