"""Reads from the rows what the pool's rules need to know."""

from datetime import datetime, timedelta

from sqlalchemy import Select, func, select
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
#: how far back launches are looked at, and how many of their endings
_HISTORY = timedelta(hours=24)
_MOST = 1000


def read_world(ctx: Context, session: Session, at: datetime) -> World:
    """Return what the pool's plan is made of."""
    facts = {row.name: row for row in session.scalars(select(ProviderRow))}
    waiting: dict[str, int] = {}
    for job in session.scalars(select(BuildRow.job).where(BuildRow.state == BuildState.QUEUED)):
        label = next((one.label for one in ctx.settings.jobs if one.name == job), "")
        waiting[label] = waiting.get(label, 0) + 1
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
        asked_at={(provider, label): last for provider, label, last in session.execute(asked(at))},
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


def asked(at: datetime) -> Select[str, str, datetime]:
    """Ask when each provider was last asked for a node of each label, of late."""
    return (
        select(NodeRow.provider, NodeRow.label, func.max(NodeRow.created_at))
        .where(NodeRow.created_at > at - _HISTORY)
        .group_by(NodeRow.provider, NodeRow.label)
    )


def ended(at: datetime) -> Select[str, str, datetime | None, datetime | None, str | None, str]:
    """Ask how the launches of late ended, the newest first."""
    return (
        select(NodeRow.provider, NodeRow.label, NodeRow.failed_at, NodeRow.ready_at, NodeRow.failure, NodeRow.reason)
        .where(NodeRow.created_at > at - _HISTORY, NodeRow.failed_at.is_not(None) | NodeRow.ready_at.is_not(None))
        .order_by(NodeRow.id.desc())
        .limit(_MOST)
    )


def _endings(session: Session, at: datetime) -> list[Ending]:
    return [
        Ending(
            provider=provider,
            label=label,
            at=failed_at or ready_at or at,
            failure=LaunchFailure(failure) if failure else None,
            reason=reason,
        )
        for provider, label, failed_at, ready_at, failure, reason in session.execute(ended(at))
    ]
