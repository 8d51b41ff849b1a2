"""Holds by hand: a node is kept for a person until it is released or its time is over. Then it is deleted.

A held node takes its place in its label's and its provider's most, so what is held does not run builds.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from xenci.config.models import Settings
from xenci.errors import NotFound, Permanent
from xenci.model.node import NodeState
from xenci.model.outcome import Result
from xenci.model.pool import Terms, Wish
from xenci.rules.holds import LONGEST_HOLD, is_fit_length, ssh_command
from xenci.services.engine import defer, nudge
from xenci.services.keep import keep
from xenci.services.node_states import change
from xenci.store.holds import open_hold, open_holds
from xenci.store.marks import audit
from xenci.store.tables import HoldRow, NodeRow

_GONE = (NodeState.DELETING, NodeState.DELETED)
#: endings of builds that no node is held for: there was none, or it has gone
_NODELESS = frozenset({Result.SKIPPED, Result.NOT_APPLICABLE, Result.MERGE_CONFLICT, Result.CARRY_CONFLICT})


class CannotHold(Permanent):
    """The node cannot be held."""


def hold_by_hand(session: Session, row: NodeRow, terms: Terms, wish: Wish) -> str:
    """Hold a node now, or as soon as its build or launch has ended; a hold that it has gets new terms.

    Returns what is said to the person. Raises CannotHold.
    """
    check_terms(terms)
    session.refresh(row, with_for_update=True)
    if row.state in _GONE:
        remedy = "xenci autohold add holds the next one that ends so"
        raise CannotHold(f"{row.name} is {row.state} already", remedy=remedy)
    hold = open_hold(session, row.id)
    if hold is None:
        hold = HoldRow(node_id=row.id, made_at=wish.at)
        session.add(hold)
    if hold.public_key != terms.public_key:
        hold.key_at = hold.key_tried_at = None
    hold.owner, hold.reason, hold.made_by = terms.owner, terms.reason, wish.who
    hold.seconds, hold.public_key = int(terms.length.total_seconds()), terms.public_key
    session.flush()
    what = f"node hold {row.name} for {terms.owner}, {terms.length}"
    audit(session, who=wish.who, what=what, reason=terms.reason, at=wish.at)
    if hold.began_at is not None or row.state in (NodeState.READY, NodeState.USED):
        keep(session, row, f"by {wish.who}", at=wish.at)
        defer(session, "pool")
        return f"{row.name} is held for {terms.owner} until {hold.until:%Y-%m-%d %H:%M} UTC"
    when = "its build has ended" if row.state == NodeState.IN_USE else "it is ready or its launch has failed"
    return f"{row.name} will be held for {terms.owner} for {terms.length} as soon as {when}"


def release_by_hand(session: Session, row: NodeRow, wish: Wish) -> str:
    """End a node's hold: the owner's key is taken away and the node deleted. Returns what is said. Raises NotFound."""
    session.refresh(row, with_for_update=True)
    hold = open_hold(session, row.id)
    if hold is None:
        raise NotFound(row.name, brief="Nobody holds this node", remedy="xenci node list shows those that are held")
    audit(session, who=wish.who, what=f"node release {row.name}", reason=wish.reason, at=wish.at)
    if _end(session, hold, row, f"released by {wish.who}", wish.at):
        return f"{row.name} is released and being deleted"
    return f"{row.name} will not be held"


def way_in(settings: Settings, row: NodeRow) -> str:
    """Return the command that gets a person onto a node; empty while it has no address."""
    label = next((one for one in settings.labels if one.name == row.label), None)
    if label is None or not row.address:
        return ""
    return ssh_command(user=label.ssh_user, address=row.address, port=label.ssh_port)


def settle_holds(session: Session, at: datetime) -> None:
    """End the holds whose time is over, or whose node has gone."""
    for hold in open_holds(session):
        if hold.node.state in _GONE or (hold.until is not None and hold.until <= at):
            session.refresh(hold.node, with_for_update=True)
            session.refresh(hold)
            why = f"its node is {hold.node.state}" if hold.node.state in _GONE else "its time is over"
            if hold.ended_at is None and (hold.node.state in _GONE or (hold.until is not None and hold.until <= at)):
                _end(session, hold, hold.node, why, at)


def check_terms(terms: Terms) -> None:
    """Raise CannotHold for a length out of bounds, or without somebody to ask."""
    if not is_fit_length(terms.length):
        raise CannotHold(f"for {terms.length}", remedy=f"hold it for a minute to {LONGEST_HOLD.days} days")
    if not terms.owner.strip() or not terms.reason.strip():
        raise CannotHold("nobody would know whom to ask", remedy="say --owner and --reason")


def _end(session: Session, hold: HoldRow, row: NodeRow, why: str, at: datetime) -> bool:
    """End a hold; tell whether its node is to be deleted for it. The node's row must be locked."""
    hold.ended_at, hold.ended_by = at, why
    if row.state != NodeState.HOLD:
        return False
    change(row, NodeState.DELETING, f"its hold for {hold.owner} has ended: {why}", at=at)
    nudge(session, "node", row.id)
    defer(session, "pool")
    return True
