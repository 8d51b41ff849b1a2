"""Holds a node that would be deleted or given away, if a person wants to look at it: said of it, or by a standing wish.

It is asked at the three ends of a node's way: a build has ended on it, its launch has failed, or it has become ready.
"""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session, object_session

from xenci.model.node import LaunchFailure, NodeState
from xenci.services.engine import nudge
from xenci.services.node_states import change
from xenci.store.holds import open_hold
from xenci.store.tables import AutoholdRow, BuildRow, HoldRow, NodeRow

_LOG = structlog.get_logger()


def keep(session: Session, row: NodeRow, why: str, *, at: datetime) -> bool:
    """Hold a node from now on if that was asked for; tell whether it is held. The row must be locked."""
    hold = open_hold(session, row.id)
    if hold is None:
        return False
    hold.began_at = at
    hold.until = at + timedelta(seconds=hold.seconds)
    change(row, NodeState.HOLD, f"held for {hold.owner}: {hold.reason}; {why}", at=at)
    # the owner's key is put there
    nudge(session, "node", row.id)
    return True


def keep_ended(session: Session, node_id: int, build: BuildRow) -> None:
    """Ask for a hold of a build's node if a standing wish is about such an ending; it begins when the node is left."""
    row = session.get(NodeRow, node_id, with_for_update=True, populate_existing=True)
    if row is None or row.state != NodeState.IN_USE or open_hold(session, node_id) is not None:
        return
    change = build.buildset.patchset.change.number
    query = select(AutoholdRow).where(
        AutoholdRow.job == build.job, AutoholdRow.change.is_(None) | (AutoholdRow.change == change)
    )
    for wish in session.scalars(query.where(AutoholdRow.ended_at.is_(None)).order_by(AutoholdRow.id).with_for_update()):
        if build.result in wish.endings:
            _use_up(session, wish, row, f"build {build.id} ended as {build.result}", at=build.finished_at)
            return


def keep_failed(row: NodeRow, failure: LaunchFailure, why: str, *, at: datetime) -> bool:
    """Hold the node of a failed launch if that was asked for, of it or by a standing wish; tell whether it is held.

    Standing wishes are about nodes for builds: one that was launched for a node image is held only if it was named.
    """
    session = object_session(row)
    if session is None:
        raise RuntimeError(f"{row.name} belongs to no session")
    if open_hold(session, row.id) is None:
        if row.image_id is not None:
            return False
        query = select(AutoholdRow).where(AutoholdRow.label == row.label, AutoholdRow.ended_at.is_(None))
        wishes = session.scalars(query.order_by(AutoholdRow.id).with_for_update())
        wish = next((one for one in wishes if failure in one.endings), None)
        if wish is None:
            return False
        _use_up(session, wish, row, f"its launch failed: {failure}", at=at)
    return keep(session, row, why, at=at)


def _use_up(session: Session, wish: AutoholdRow, row: NodeRow, why: str, *, at: datetime | None) -> None:
    session.add(
        HoldRow(
            node_id=row.id,
            autohold_id=wish.id,
            owner=wish.owner,
            reason=f"{wish.reason} ({why})",
            made_by=f"autohold {wish.id} of {wish.made_by}",
            made_at=at,
            seconds=wish.seconds,
            public_key=wish.public_key,
        )
    )
    wish.left -= 1
    if wish.left <= 0:
        wish.ended_at = at
    session.flush()
    _LOG.info("node.kept", node=row.name, autohold=wish.id, why=why)
