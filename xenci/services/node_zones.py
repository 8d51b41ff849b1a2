"""Writes down that a node's server is asked for, and in which zone, before it is: whoever comes after a crash knows."""

import zlib
from datetime import timedelta

from sqlalchemy import or_, select, text
from sqlalchemy.orm import Session

from xenci.model.node import LIVE_STATES, LaunchFailure
from xenci.rules.zones import Placed, next_zone
from xenci.services.context import Context
from xenci.services.node_rows import locked
from xenci.store.tables import NodeRow

#: first number of the advisory locks of choices of a zone: "zone"
_LOCK = 0x7A6F6E65
#: how far back launches count in the choice of a zone
_HISTORY = timedelta(hours=1)


def begin_create(ctx: Context, node_id: int) -> str | None:
    """Mark a node as asked for and return its zone, or None if the cloud chooses. Repeatable: the zone stays."""
    with ctx.database.session() as session:
        row = locked(session, node_id)
        if row is None or row.asked_at is not None:
            return row.zone if row is not None else None
        row.asked_at = ctx.clock()
        row.zone = _zone(ctx, session, row)
        return row.zone


def _zone(ctx: Context, session: Session, row: NodeRow) -> str | None:
    zones = ctx.settings.provider(row.provider).availability_zones
    if len(zones) < 2:
        return next(iter(zones), None)
    # one at a time for each provider: each sees where the one before went. Not the provider's row: a survey locks it
    # before nodes, and this comes after one
    lock = {"kind": _LOCK, "number": zlib.crc32(row.provider.encode()) & 0x7FFFFFFF}
    session.execute(text("select pg_advisory_xact_lock(:kind, :number)"), lock)
    at = ctx.clock()
    recent = or_(NodeRow.state.in_(LIVE_STATES), NodeRow.created_at > at - _HISTORY)
    query = select(NodeRow).where(NodeRow.provider == row.provider, NodeRow.zone.is_not(None), recent)
    placed = [
        Placed(
            zone=other.zone or "",
            is_live=other.state in LIVE_STATES,
            created_at=other.created_at,
            failure=LaunchFailure(other.failure) if other.failure else None,
            failed_at=other.failed_at,
        )
        for other in session.scalars(query)
    ]
    return next_zone(zones, placed, at)
