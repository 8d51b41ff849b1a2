"""Nudges: jobs that name a step and a row, deferred in the same transaction as the row they are about."""

from datetime import timedelta

import procrastinate
import structlog
from procrastinate import exceptions
from sqlalchemy import text
from sqlalchemy.orm import Session

from xenci.store.database import Database

_LOG = structlog.get_logger()

#: after how long a silent worker counts as dead; seconds
DEAD_AFTER = 8.0
#: steps that wait for nothing but the database have a queue and slots of their own: whatever nodes and clouds keep the
#: other slots, a waiting build gets a ready node at once
QUICK = "quick"
_QUICK_STEPS = frozenset({"dispatch", "tick"})

_DEFERRER = procrastinate.App(connector=procrastinate.SyncPsycopgConnector())


def defer(session: Session, step: str, row: int = 0, *, after: timedelta = timedelta()) -> None:
    """Give a nudge as part of the session's transaction; nothing happens if the same one waits already."""
    # the savepoint is ours: a nudge that waits already must not fail the caller's transaction
    session.execute(text("savepoint nudge"))
    name = f"{step}:{row}"
    try:
        _DEFERRER.configure_task(
            step,
            queue=queue_of(step),
            lock=name,
            queueing_lock=name,
            schedule_in={"seconds": after.total_seconds()} if after else None,
            connection=session.connection().connection.driver_connection,
        ).defer(row=row)
        session.execute(text("release savepoint nudge"))
    except exceptions.AlreadyEnqueued:
        session.execute(text("rollback to savepoint nudge"))
        if not after:
            # what waits may be scheduled for later: it is wanted now
            session.execute(
                text(
                    "update procrastinate_jobs set scheduled_at = null where queueing_lock = :name and status = 'todo'"
                ),
                {"name": name},
            )


def queue_of(step: str) -> str:
    """Return the queue that a step's jobs are in."""
    return QUICK if step in _QUICK_STEPS else "default"


def nudge(session: Session, step: str, row: int = 0) -> None:
    """Give a nudge unless one waits, for whenever, or is being followed: what `tick` does for each row that lives."""
    known = text("select 1 from procrastinate_jobs where lock = :name and status in ('todo', 'doing') limit 1")
    if session.execute(known, {"name": f"{step}:{row}"}).scalar() is None:
        defer(session, step, row)


def take(session: Session, step: str, row: int = 0) -> bool:
    """Take over a nudge that waits while its step runs, which then looks once more; tell whether there was one."""
    # a job that waits for another of its lock is announced to nobody: it would be found a second later
    query = text("delete from procrastinate_jobs where queueing_lock = :name and status = 'todo' returning id")
    return session.execute(query, {"name": f"{step}:{row}"}).scalar() is not None


def rescue(database: Database) -> int:
    """Put back the jobs of workers that are not among the living; return how many."""
    query = text(
        "select j.id from procrastinate_jobs j where j.status = 'doing' and not exists ("
        "  select 1 from procrastinate_workers w where w.id = j.worker_id"
        "  and w.last_heartbeat > now() - make_interval(secs => :dead))"
    )
    with database.session() as session:
        jobs = [row.id for row in session.execute(query, {"dead": DEAD_AFTER})]
        for job in jobs:
            # The worker's slot is free again. A nudge that waits beside it takes its place.
            session.execute(text("delete from procrastinate_jobs where id = :id"), {"id": job})
    if jobs:
        _LOG.warning("engine.rescued", jobs=len(jobs))
    return len(jobs)
