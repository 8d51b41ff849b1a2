"""Fetches what the stream did not tell, from the server's own log of its events, where it keeps one.

Once for each connection of the stream, and when Gerrit says that it dropped events. It is a short cut, not a proof: the
look through the open changes follows in any case, and finds what no log has.
"""

import structlog
from sqlalchemy import select
from sqlalchemy.exc import DataError

from xenci.errors import XenciError
from xenci.gerrit.parse import parse_event
from xenci.gerrit.port import Event
from xenci.model.build import FoundBy
from xenci.services.context import Context
from xenci.services.engine import defer
from xenci.services.listener import keep
from xenci.services.reconcile import lookback
from xenci.store.tables import EventRow

_LOG = structlog.get_logger()


def fetch_missed(ctx: Context, _row: int = 0) -> None:
    """Keep the logged events since the last look through the open changes, then have those looked through."""
    since = lookback(ctx, ctx.clock()).since
    try:
        lines = ctx.gerrit.missed_events(since=since)
        if lines is None:
            _LOG.info("missed.no_log", since=since.isoformat())
        else:
            kept = sum(_keep(ctx, line) for line in lines)
            _LOG.info("missed.fetched", since=since.isoformat(), kept=kept)
    except (XenciError, DataError) as error:
        # what the log says no more of is found by the look
        _LOG.warning("missed.failed", error=str(error).split("\n")[0])
    with ctx.database.session() as session:
        defer(session, "reconcile")


def _keep(ctx: Context, line: bytes) -> bool:
    """Keep an event of the log, unless the stream told it too; return whether it was kept."""
    event = parse_event(line)
    if not isinstance(event, Event) or event.patchset is None or not event.is_work:
        return False
    known = select(EventRow.id).where(EventRow.change == event.patchset.change, EventRow.payload == event.raw)
    with ctx.database.session() as session:
        if session.scalar(known.limit(1)) is not None:
            return False
    return keep(ctx, line, ctx.clock(), source=FoundBy.EVENTS_LOG)
