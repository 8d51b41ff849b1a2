"""The lives of servers, from the rows of nodes, as the rules of cost see them."""

from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from xenci.model.node import NodeState
from xenci.rules.cost import Life
from xenci.store.tables import NodeRow


def lives_since(session: Session, since: datetime) -> list[Life]:
    """Return the servers that lived at some time since a moment; not those that the cloud refused to make."""
    query = select(
        NodeRow.provider, NodeRow.label, NodeRow.created_at, NodeRow.deleted_at, NodeRow.build_id, NodeRow.failure
    ).where(
        or_(NodeRow.deleted_at.is_(None), NodeRow.deleted_at > since),
        or_(NodeRow.server_id.is_not(None), NodeRow.state != NodeState.DELETED),
    )
    return [
        Life(
            provider=provider,
            label=label,
            created_at=created_at,
            ended_at=deleted_at,
            build=build_id,
            is_failed=failure is not None,
        )
        for provider, label, created_at, deleted_at, build_id, failure in session.execute(query)
    ]


def first_node_at(session: Session) -> datetime | None:
    """Return when the first node of all was asked for, or None if none ever was."""
    return session.scalar(select(func.min(NodeRow.created_at)))
