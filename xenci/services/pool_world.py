"""Reads from the rows what the pool's rules need to know; an operator's word stands for the configuration's."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from xenci.config.models import Provider
from xenci.model.build import BuildState
from xenci.model.pool import OverrideKind, Overrides
from xenci.rules.pool import Need, Supply, World
from xenci.services.context import Context
from xenci.services.node_rows import as_node, live_nodes
from xenci.store.launches import asked, ended, endings, last_providers
from xenci.store.overrides import figure, read_overrides
from xenci.store.tables import BuildRow, ProviderRow

__all__ = ["asked", "ended", "fresh_for", "read_supply", "read_world"]
#: a provider whose last list is older is not asked for nodes ..
_FRESH = timedelta(minutes=2)
#: .. unless so many of its calls may take longer: a cloud that is slow but alive is not dead
_CALLS = 3


def read_world(ctx: Context, session: Session, at: datetime) -> World:
    """Return what the pool's plan is made of."""
    facts = {row.name: row for row in session.scalars(select(ProviderRow))}
    words = read_overrides(session)
    waiting: dict[str, int] = {}
    for job in session.scalars(select(BuildRow.job).where(BuildRow.state == BuildState.QUEUED)):
        label = next((one.label for one in ctx.settings.jobs if one.name == job), "")
        waiting[label] = waiting.get(label, 0) + 1
    return World(
        needs=[
            Need(
                label=label.name,
                min_ready=figure(words, OverrideKind.MIN_READY, label.name, label.min_ready),
                max_nodes=figure(words, OverrideKind.MAX_NODES, label.name, label.max_nodes),
                max_age=label.max_age,
                queued=waiting.get(label.name, 0),
            )
            for label in ctx.settings.labels
        ],
        supplies=[_supply(settings, facts.get(settings.name), words, at) for settings in ctx.settings.providers],
        nodes=[as_node(row) for row in live_nodes(session)],
        endings=endings(session, at),
        asked_at={(provider, label): last for provider, label, last in session.execute(asked(at))},
        recent={label.name: last_providers(session, label.name, at) for label in ctx.settings.labels},
        at=at,
    )


def read_supply(ctx: Context, session: Session, provider: str, at: datetime) -> Supply | None:
    """Return what a provider may be asked for, as the pool's plan sees it; None if it is not in the configuration."""
    settings = next((one for one in ctx.settings.providers if one.name == provider), None)
    if settings is None:
        return None
    row = session.get(ProviderRow, provider, populate_existing=True)
    return _supply(settings, row, read_overrides(session), at)


def fresh_for(settings: Provider) -> timedelta:
    """Return how long a provider's list says what there is; with an older one it gets no nodes."""
    return max(_FRESH, _CALLS * settings.api_timeout)


def _supply(settings: Provider, row: ProviderRow | None, words: Overrides, at: datetime) -> Supply:
    is_fresh = row is not None and row.listed_at is not None and at - row.listed_at < fresh_for(settings)
    wanted = figure(words, OverrideKind.MAX_SERVERS, settings.name, settings.max_servers)
    quota = row.quota if row is not None and row.quota is not None else wanted
    drain = words.get((OverrideKind.DRAIN, settings.name))
    return Supply(
        name=settings.name,
        labels=frozenset(entry.name for entry in settings.labels),
        capacity=min(wanted, quota),
        is_open=is_fresh and row is not None and row.failing_since is None,
        weight=settings.weight,
        least_share=settings.least_share,
        wanted=wanted,
        drained=f"{settings.name} is drained by {drain.by}" if drain else "",
    )
