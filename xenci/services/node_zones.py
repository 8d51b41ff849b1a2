"""Writes down that a node's server is asked for, from which image and in which zone, before it is.

Whoever comes after a crash asks for the same.
"""

import zlib
from datetime import timedelta

from sqlalchemy import or_, select, text
from sqlalchemy.orm import Session

from xenci.model.node import LIVE_STATES, LaunchFailure
from xenci.rules.zones import Placed, next_zone
from xenci.services.context import Context
from xenci.services.node_rows import locked
from xenci.store.images import promoted
from xenci.store.tables import NodeRow

#: first number of the advisory locks of choices of a zone: "zone"
_LOCK = 0x7A6F6E65
#: how far back launches count in the choice of a zone
_HISTORY = timedelta(hours=1)


def begin_create(ctx: Context, node_id: int, *, configured: str) -> tuple[str | None, str]:
    """Mark a node as asked for; return its zone, or None if the cloud chooses, and the name of its image.

    That is the promoted image, or else the `configured` one. Repeatable: both stay.
    """
    with ctx.database.session() as session:
        row = locked(session, node_id)
        if row is None or row.asked_at is not None:
            return (None, configured) if row is None else (row.zone, row.image or configured)
        row.asked_at = ctx.clock()
        row.zone = _zone(ctx, session, row)
        if row.image is None:
            ours = promoted(session, row.provider, row.label)
            row.image = configured if ours is None else ours.name
        return row.zone, row.image


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
