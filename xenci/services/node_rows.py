"""A node's row as the rules see it, and the few ways in which a row changes its state."""

from collections.abc import Iterable
from datetime import datetime

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from xenci.config.models import Label
from xenci.model.node import LIVE_STATES, LaunchFailure, NodeState
from xenci.rules.nodes import Deadlines, Node
from xenci.services.keep import keep_failed
from xenci.services.node_states import change
from xenci.store.tables import NodeRow

__all__ = ["as_node", "change", "deadlines_of", "fail", "live_nodes", "locked", "locked_nodes"]
_LOG = structlog.get_logger()


def as_node(row: NodeRow) -> Node:
    """Return what the rules see of a row."""
    return Node(
        id=row.id,
        name=row.name,
        label=row.label,
        provider=row.provider,
        state=NodeState(row.state),
        reason=row.reason,
        server_id=row.server_id,
        created_at=row.created_at,
        active_at=row.active_at,
        no_address=None if row.no_address is None else LaunchFailure(row.no_address),
        ssh_at=row.ssh_at,
        ready_at=row.ready_at,
        state_at=row.state_at,
        missing_at=row.missing_at,
        is_for_image=row.image_id is not None,
    )


def deadlines_of(label: Label) -> Deadlines:
    """Return a label's deadlines as the rules see them."""
    return Deadlines(boot=label.deadlines.boot, ssh=label.deadlines.ssh, xen=label.deadlines.xen)


def live_nodes(session: Session, provider: str | None = None) -> list[NodeRow]:
    """Return the rows of live nodes, of one provider or of all."""
    query = select(NodeRow).where(NodeRow.state.in_(LIVE_STATES)).order_by(NodeRow.id)
    if provider is not None:
        query = query.where(NodeRow.provider == provider)
    return list(session.scalars(query))


def locked_nodes(session: Session, ids: Iterable[int]) -> list[NodeRow]:
    """Return these rows in the order of their ids, locked and as they are now.

    Who writes several nodes locks all of them here before the first change: in one order, nobody waits in a circle.
    """
    if not (wanted := set(ids)):
        return []
    query = select(NodeRow).where(NodeRow.id.in_(wanted)).order_by(NodeRow.id).with_for_update()
    return list(session.scalars(query.execution_options(populate_existing=True)))


def locked(session: Session, node_id: int) -> NodeRow | None:
    """Return a node's row, locked and as it is now, or None if there is none."""
    return session.get(NodeRow, node_id, with_for_update=True, populate_existing=True)


def fail(row: NodeRow, failure: LaunchFailure, reason: str, *, at: datetime, is_refused: bool = False) -> None:
    """End a launch as failed, and hold its node if somebody wants to look at it.

    `is_refused` says that the cloud made no server, so there is nothing to look at and nothing to delete.
    """
    row.failure = failure
    row.failed_at = at
    _LOG.warning("node.launch_failed", node=row.name, provider=row.provider, failure=failure, reason=reason)
    if not is_refused and row.server_id is not None and keep_failed(row, failure, reason, at=at):
        return
    change(row, NodeState.DELETED if is_refused else NodeState.DELETING, reason, at=at)
