"""Holds as rows: which nodes are kept for whom, and the standing wishes."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from xenci.store.tables import AutoholdRow, HoldRow


def open_hold(session: Session, node_id: int) -> HoldRow | None:
    """Return the hold of a node that has not ended, whether it has begun or not."""
    return session.scalar(select(HoldRow).where(HoldRow.node_id == node_id, HoldRow.ended_at.is_(None)))


def open_holds(session: Session) -> Sequence[HoldRow]:
    """Return every hold that has not ended with its node, the oldest first."""
    query = select(HoldRow).where(HoldRow.ended_at.is_(None)).order_by(HoldRow.id)
    return session.scalars(query.options(joinedload(HoldRow.node))).all()


def last_hold(session: Session, node_id: int) -> HoldRow | None:
    """Return the newest hold of a node, also one that has ended."""
    return session.scalar(select(HoldRow).where(HoldRow.node_id == node_id).order_by(HoldRow.id.desc()).limit(1))


def standing_wishes(session: Session) -> Sequence[AutoholdRow]:
    """Return every automatic hold whose count is not used up, the oldest first."""
    return session.scalars(select(AutoholdRow).where(AutoholdRow.ended_at.is_(None)).order_by(AutoholdRow.id)).all()


def is_over(hold: HoldRow, at: datetime) -> bool:
    """Tell whether a hold has run out."""
    return hold.until is not None and hold.until <= at
