"""Keeps the pool: surveys the clouds, asks for nodes and gives them up as `rules/pool.py` says, and raises alarms.

And the pool's counter: a build takes a ready node here, and leaves it when it has ended. A node serves one build.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta

import structlog
from sqlalchemy import case, func, literal, select, text
from sqlalchemy.orm import Session, aliased

from xenci.model.node import NodeState
from xenci.rules.nodes import LAUNCHING, Failed, lateness, server_name
from xenci.rules.pool import Launch, Retire, plan
from xenci.services.context import Context
from xenci.services.engine import nudge
from xenci.services.holds import settle_holds
from xenci.services.keep import keep
from xenci.services.node_rows import as_node, change, deadlines_of, fail, live_nodes, locked, locked_nodes
from xenci.services.pool_alarms import tell
from xenci.services.pool_world import read_world
from xenci.services.survey import survey
from xenci.store.holds import open_holds
from xenci.store.marks import back_at
from xenci.store.tables import NodeRow

_LOG = structlog.get_logger()
#: advisory lock of whoever plans: "pool"
_LOCK = 0x706F6F6C
#: a slow cloud is waited for so long; its survey goes on without us
_WAIT = timedelta(seconds=8)


def tick(ctx: Context, _row: int = 0) -> None:
    """Look at clouds and rows, and do what follows. Repeatable; several processes may do it at once."""
    _survey_all(ctx)
    with ctx.database.session() as session:
        lock_plans(session)
        _end_what_is_over(ctx, session, ctx.clock())
    # a transaction of its own: each locks the nodes that it writes at its beginning, all at once
    with ctx.database.session() as session:
        lock_plans(session)
        at = ctx.clock()
        world = read_world(ctx, session, at)
        decided = plan(world)
        _retire(session, decided.retirements, at)
        for launch in decided.launches:
            new_node(session, launch, system=ctx.settings.system, at=at)
        tell(ctx, session, world, decided, at)


def claim(session: Session, label: str, build_id: int, *, weights: Mapping[str, float] | None = None) -> NodeRow | None:
    """Take a ready node for a build, or return None.

    It is of the provider with fewer nodes in use, as its weight wants it, and there the oldest.
    """
    other = aliased(NodeRow)
    in_use = (
        select(func.count())
        .where(other.provider == NodeRow.provider, other.state == NodeState.IN_USE)
        .correlate(NodeRow)
        .scalar_subquery()
    )
    weight = case(weights, value=NodeRow.provider, else_=1.0) if weights else literal(1.0)
    row = session.scalar(
        select(NodeRow)
        .where(NodeRow.label == label, NodeRow.state == NodeState.READY, NodeRow.missing_at.is_(None))
        .order_by((in_use + 1) / weight, NodeRow.ready_at, NodeRow.id)
        .limit(1)
        .with_for_update(of=NodeRow, skip_locked=True)
        .execution_options(populate_existing=True)
    )
    if row is not None:
        row.build_id = build_id
        change(row, NodeState.IN_USE, f"runs build {build_id}", at=_moment(session))
        session.flush()
    return row


def release(session: Session, node_id: int, reason: str, *, at: datetime | None = None) -> None:
    """Leave a node whose build has ended: it is deleted, or held. Harmless if it is not in use any more."""
    at = at or _moment(session)
    row = locked(session, node_id)
    if row is None or row.state != NodeState.IN_USE:
        return
    if not keep(session, row, reason, at=at):
        change(row, NodeState.USED, reason, at=at)
        nudge(session, "node", row.id)


def _survey_all(ctx: Context) -> None:
    """Survey every provider, each in a thread of its own: one that hangs or fails holds up no other, and no plan."""
    pool = ThreadPoolExecutor(max_workers=max(1, len(ctx.providers)), thread_name_prefix="survey")
    futures = [pool.submit(survey, ctx, name) for name in ctx.providers]
    for future in futures:
        future.add_done_callback(_log_failure)
    _, late = wait(futures, timeout=_WAIT.total_seconds())
    pool.shutdown(wait=False)
    if late:
        _LOG.info("pool.cloud_is_slow", surveys=len(late))


def _log_failure(future: Future[None]) -> None:
    error = future.exception()
    if error is not None:
        _LOG.error("pool.survey_failed", error=f"{type(error).__name__}: {error}")


def _end_what_is_over(ctx: Context, session: Session, at: datetime) -> None:
    """End launches that are past their deadlines, also where nothing answers that could be asked, and holds."""
    limits = {label.name: deadlines_of(label) for label in ctx.settings.labels}
    back = back_at(session, at=at)

    def late(row: NodeRow) -> Failed | None:
        return lateness(as_node(row), limits[row.label], at, back) if row.label in limits else None

    overdue = [row.id for row in live_nodes(session) if late(row) is not None]
    holds = open_holds(session)
    for row in locked_nodes(session, [*overdue, *(hold.node_id for hold in holds)]):
        failed = late(row)
        if failed is not None:
            fail(row, failed.failure, failed.reason, at=at)
            nudge(session, "node", row.id)
    if holds:
        settle_holds(session, at)


def lock_plans(session: Session) -> None:
    """Let nobody else ask for nodes until this transaction has ended."""
    session.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


def new_node(
    session: Session,
    launch: Launch,
    *,
    system: str,
    at: datetime,
    image: str | None = None,
    image_id: int | None = None,
) -> NodeRow:
    """Have a node launched, from another image than its label's if one is named; return its row.

    The row comes first: its name finds the server again if we die before we know the server's id. `image_id` is the
    node image that the node is for.
    """
    number = session.execute(text("select nextval(pg_get_serial_sequence('nodes', 'id'))")).scalar_one()
    row = NodeRow(
        id=number,
        name=server_name(system, number),
        label=launch.label,
        provider=launch.provider,
        image=image,
        image_id=image_id,
        state=NodeState.BUILDING,
        reason=f"to be created on {launch.provider}",
        created_at=at,
        state_at=at,
    )
    session.add(row)
    session.flush()
    nudge(session, "node", number)
    _LOG.info("node.building", node=row.name, provider=row.provider, label=row.label)
    return row


def _retire(session: Session, retirements: Iterable[Retire], at: datetime) -> None:
    reasons = {one.node: one.reason for one in retirements}
    for row in locked_nodes(session, reasons):
        if row.state in (NodeState.READY, *LAUNCHING):
            change(row, NodeState.DELETING, reasons[row.id], at=at)
            nudge(session, "node", row.id)


def _moment(session: Session) -> datetime:
    moment: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return moment
