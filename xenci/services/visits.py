"""Lets the owner of a hold onto the node by their own key, and shuts them out before the node is deleted."""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import Select, select

from xenci.errors import XenciError
from xenci.host.visitors import add_key, remove_key
from xenci.model.node import NodeState
from xenci.services.context import Context
from xenci.store.holds import last_hold, open_hold
from xenci.store.tables import HoldRow, NodeRow

_LOG = structlog.get_logger()
#: a node that does not let us in is tried again so often
_AGAIN = timedelta(minutes=1)


def keys_wanted(at: datetime) -> Select[int]:
    """Ask for the nodes that are held and lack their owner's key."""
    is_due = HoldRow.key_tried_at.is_(None) | (HoldRow.key_tried_at <= at - _AGAIN)
    return (
        select(HoldRow.node_id)
        .join(NodeRow)
        .where(HoldRow.ended_at.is_(None), HoldRow.public_key.is_not(None), HoldRow.key_at.is_(None), is_due)
        .where(NodeRow.state == NodeState.HOLD)
    )


def let_owner_in(ctx: Context, row: NodeRow) -> None:
    """Put the key of a hold's owner onto the node, unless it is there or was tried just now."""
    with ctx.database.session() as session:
        hold = open_hold(session, row.id)
        at = ctx.clock()
        if hold is None or hold.public_key is None or hold.key_at is not None:
            return
        if hold.key_tried_at is not None and at - hold.key_tried_at < _AGAIN:
            return
    error = _on_node(ctx, row, hold)
    with ctx.database.session() as session:
        now = session.get_one(HoldRow, hold.id, with_for_update=True)
        if now.public_key == hold.public_key:
            now.key_tried_at, now.key_error = ctx.clock(), error
            now.key_at = None if error else ctx.clock()


def shut_owner_out(ctx: Context, row: NodeRow) -> None:
    """Take the key away that a hold put onto the node. It is tried once: the node is deleted all the same."""
    with ctx.database.session() as session:
        hold = last_hold(session, row.id)
        if hold is None or hold.key_at is None:
            return
        session.get_one(HoldRow, hold.id, with_for_update=True).key_at = None
    error = _on_node(ctx, row, hold, is_leaving=True)
    if error:
        _LOG.warning("hold.key_left", node=row.name, owner=hold.owner, error=error)


def _on_node(ctx: Context, row: NodeRow, hold: HoldRow, *, is_leaving: bool = False) -> str:
    """Add or remove the key; return what went wrong, or nothing."""
    label = next((one for one in ctx.settings.labels if one.name == row.label), None)
    if label is None or row.host_key is None or row.address is None:
        return "nobody knows the node's SSH host key: its console told none"
    try:
        with ctx.hosts.host(row.address, user=label.ssh_user, host_key=row.host_key, port=label.ssh_port) as host:
            if is_leaving:
                remove_key(host, label.ssh_user, _mark(hold))
            else:
                add_key(host, label.ssh_user, hold.public_key or "", _mark(hold))
    except XenciError as error:
        return error.sentence[:1000]
    return ""


def _mark(hold: HoldRow) -> str:
    """Return the comment by which the key is found again."""
    return f"xenci-hold-{hold.id}"
