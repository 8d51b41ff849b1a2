"""The nodes of node images: launched as soon as their cloud has room, and left when nothing is to be done on them."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from xenci.model.image import ImageState
from xenci.model.node import LIVE_STATES, NodeState
from xenci.rules.pool import Launch
from xenci.services.context import Context
from xenci.services.node_rows import change, locked
from xenci.services.nudges import nudge
from xenci.services.pool import lock_plans, new_node, release
from xenci.services.pool_world import read_supply
from xenci.store.tables import ImageRow, NodeRow


def launch(ctx: Context, session: Session, row: ImageRow, at: datetime) -> None:
    """Have a node launched, from the base or from the snapshot, if the pool might be given one there; else say why not.

    The image's row must be locked.
    """
    lock_plans(session)
    row.node_id = None
    if hindrance := _hindrance(ctx, session, row.provider, at):
        row.reason = hindrance
        return
    image = row.base if row.state == ImageState.BUILDING else row.name
    wanted = Launch(provider=row.provider, label=row.label)
    node = new_node(session, wanted, system=ctx.settings.system, at=at, image=image, image_id=row.id)
    row.node_id = node.id
    row.reason = f"{node.name} is launched from {image}"


def leave(session: Session, row: ImageRow, reason: str, at: datetime) -> None:
    """Have the image's node deleted, or held if somebody asked for it. The image's row must be locked."""
    node = locked(session, row.node_id) if row.node_id is not None else None
    row.node_id = None
    if node is None:
        return
    if node.state == NodeState.IN_USE:
        release(session, node.id, f"node image {row.id}: {reason}", at=at)
    elif node.state in (NodeState.BUILDING, NodeState.TESTING):
        change(node, NodeState.DELETING, f"node image {row.id}: {reason}", at=at)
        nudge(session, "node", node.id)


def _hindrance(ctx: Context, session: Session, provider: str, at: datetime) -> str:
    """Return why a cloud is not to be asked for a node now; empty if it is."""
    supply = read_supply(ctx, session, provider, at)
    if supply is None:
        return f"waits: {provider} is not in the configuration"
    if supply.drained:
        return f"waits: {supply.drained}"
    if not supply.is_open:
        return f"waits: {provider} does not answer as it should"
    live = select(func.count()).where(NodeRow.provider == provider, NodeRow.state.in_(LIVE_STATES))
    if (there := session.scalar(live) or 0) >= supply.capacity:
        return f"waits for room on {provider}: {there} of {supply.capacity} servers are there"
    return ""
