"""Reads from the rows what the pool's rules need to know."""

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from xenci.model.build import BuildState
from xenci.model.node import LaunchFailure
from xenci.rules.breaker import Ending
from xenci.rules.pool import Need, Supply, World
from xenci.services.context import Context
from xenci.services.node_rows import as_node, live_nodes
from xenci.store.tables import BuildRow, NodeRow, ProviderRow

#: a provider whose last list is older is not asked for nodes
_FRESH = timedelta(minutes=2)
#: how far back, and how many, endings of launches are looked at
_HISTORY = timedelta(hours=24)
_MOST = 1000


def read_world(ctx: Context, session: Session, at: datetime) -> World:
    """Return what the pool's plan is made of."""
    facts = {row.name: row for row in session.scalars(select(ProviderRow))}
    waiting: dict[str, int] = {}
    for job in session.scalars(select(BuildRow.job).where(BuildRow.state == BuildState.QUEUED)):
        label = next((one.label for one in ctx.settings.jobs if one.name == job), "")
        waiting[label] = waiting.get(label, 0) + 1
    asked = session.execute(
        select(NodeRow.provider, NodeRow.label, func.max(NodeRow.created_at)).group_by(NodeRow.provider, NodeRow.label)
    )
    return World(
        needs=[
            Need(
                label=label.name,
                min_ready=label.min_ready,
                max_nodes=label.max_nodes,
                max_age=label.max_age,
                queued=waiting.get(label.name, 0),
            )
            for label in ctx.settings.labels
        ],
        supplies=_supplies(ctx, facts, at),
        nodes=[as_node(row) for row in live_nodes(session)],
        endings=_endings(session, at),
        asked_at={(provider, label): last for provider, label, last in asked},
        at=at,
    )


def _supplies(ctx: Context, facts: dict[str, ProviderRow], at: datetime) -> list[Supply]:
    supplies = []
    for settings in ctx.settings.providers:
        row = facts.get(settings.name)
        is_fresh = row is not None and row.listed_at is not None and at - row.listed_at < _FRESH
        quota = row.quota if row is not None and row.quota is not None else settings.max_servers
        supplies.append(
            Supply(
                name=settings.name,
                labels=frozenset(entry.name for entry in settings.labels),
                capacity=min(settings.max_servers, quota),
                is_open=is_fresh and row is not None and row.failing_since is None,
            )
        )
    return supplies


def _endings(session: Session, at: datetime) -> list[Ending]:
    since = at - _HISTORY
    rows = session.scalars(
        select(NodeRow)
        .where((NodeRow.failed_at > since) | (NodeRow.ready_at > since))
        .order_by(NodeRow.id.desc())
        .limit(_MOST)
    )
    return [
        Ending(
            provider=row.provider,
            label=row.label,
            at=row.failed_at or row.ready_at or at,
            failure=LaunchFailure(row.failure) if row.failure else None,
            reason=row.reason,
        )
        for row in rows
    ]
