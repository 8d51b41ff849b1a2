"""The one place where a node's row changes its state."""

from datetime import datetime

import structlog

from xenci.model.node import NodeState
from xenci.store.tables import NodeRow

_LOG = structlog.get_logger()


def change(row: NodeRow, state: NodeState, reason: str, *, at: datetime) -> None:
    """Bring a node into a state, for a reason that a person understands."""
    row.state = state
    row.reason = reason[:1000]
    row.state_at = at
    if state is NodeState.DELETED:
        row.deleted_at = at
    _LOG.info(f"node.{state}", node=row.name, provider=row.provider, label=row.label, reason=row.reason)
