"""Lets the owner of a hold onto the node by their own key, and shuts them out before the node is deleted."""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import Select, select

from xenci.errors import XenciError
from xenci.host.visitors import add_key, remove_key
from xenci.model.node import NodeState
from xenci.rules.nodes import no_longer_configured
from xenci.services.context import Context
from xenci.store.holds import last_hold, open_hold
from xenci.store.tables import HoldRow, NodeRow

_LOG = structlog.get_logger()
#: a node that does not let us in is tried again so often
_AGAIN = timedelta(minutes=1)


def keys_wanted(at: datetime) -> Select[int]:
    """Ask for the nodes that are held and lack their owner's key, or may still have a former owner's."""
    is_due = HoldRow.key_tried_at.is_(None) | (HoldRow.key_tried_at <= at - _AGAIN)
    has_key_to_change = HoldRow.public_key.is_not(None) | HoldRow.may_have_key
    return (
        select(HoldRow.node_id)
        .join(NodeRow)
        .where(HoldRow.ended_at.is_(None), has_key_to_change, HoldRow.key_at.is_(None), is_due)
        .where(NodeRow.state == NodeState.HOLD)
    )


def let_owner_in(ctx: Context, row: NodeRow) -> None:
    """Put the key of a hold's owner onto the node in place of a former owner's, unless that was done or tried just now.

    Repeatable: terms that change meanwhile lack their key still, so the node is visited again.
    """
    with ctx.database.session() as session:
        hold = open_hold(session, row.id)
        at = ctx.clock()
        if hold is None or hold.key_at is not None or (hold.public_key is None and not hold.may_have_key):
            return
        if hold.key_tried_at is not None and at - hold.key_tried_at < _AGAIN:
            return
        key, may_have_key = hold.public_key, hold.may_have_key
        hindrance = _hindrance(ctx, row)
        # before it is put there: whoever dies in between leaves a key that is known
        hold.may_have_key = may_have_key or not hindrance
    error = hindrance or _on_node(ctx, row, hold, key=key, may_have_key=may_have_key)
    with ctx.database.session() as session:
        now = session.get_one(HoldRow, hold.id, with_for_update=True)
        if now.public_key == key:
            now.key_tried_at, now.key_error = ctx.clock(), error
            if not error:
                now.key_at = None if key is None else ctx.clock()
                now.may_have_key = key is not None


def shut_owner_out(ctx: Context, row: NodeRow) -> None:
    """Take the key away that a hold put onto the node. It is tried once: the node is deleted all the same."""
    with ctx.database.session() as session:
        hold = last_hold(session, row.id)
        if hold is None or not hold.may_have_key:
            return
        session.refresh(hold, with_for_update=True)
        hold.key_at, hold.may_have_key = None, False
    error = _hindrance(ctx, row) or _on_node(ctx, row, hold, key=None, may_have_key=True)
    if error:
        _LOG.warning("hold.key_left", node=row.name, owner=hold.owner, error=error)


def _hindrance(ctx: Context, row: NodeRow) -> str:
    """Return why nobody gets onto the node whatever it answers, or nothing."""
    if all(one.name != row.label for one in ctx.settings.labels):
        return no_longer_configured(row.label)
    if row.address is None:
        return "the node has no address"
    if row.host_key is None:
        return "nobody knows the node's SSH host key: its console told none"
    return ""


def _on_node(ctx: Context, row: NodeRow, hold: HoldRow, *, key: str | None, may_have_key: bool) -> str:
    """Remove the key that may be there, then add one; return what went wrong, or nothing."""
    label = ctx.settings.label(row.label)
    address, host_key = row.address or "", row.host_key or ""
    try:
        with ctx.hosts.host(address, user=label.ssh_user, host_key=host_key, port=label.ssh_port) as host:
            if may_have_key:
                remove_key(host, label.ssh_user, _mark(hold))
            if key is not None:
                add_key(host, label.ssh_user, key, _mark(hold))
    except XenciError as error:
        return error.sentence[:1000]
    return ""


def _mark(hold: HoldRow) -> str:
    """Return the comment by which the key is found again."""
    return f"xenci-hold-{hold.id}"
