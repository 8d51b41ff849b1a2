"""Looks up the pool: the figures that count with who said so, the circuits of the clouds, and what is held."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from xenci.config.models import Label, Provider, Settings
from xenci.model.build import BuildState
from xenci.model.node import LIVE_STATES, NodeState
from xenci.model.pool import Override, OverrideKind, Overrides
from xenci.rules.breaker import Breaker, BreakerState, standing
from xenci.store.holds import open_holds, standing_wishes
from xenci.store.launches import endings
from xenci.store.overrides import figure, read_overrides
from xenci.store.tables import AutoholdRow, BuildRow, HoldRow, NodeRow, ProviderRow


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFigures:
    """A label with its nodes."""

    label: Label
    min_ready: int
    max_nodes: int
    #: what operators said of it
    words: tuple[Override, ...]
    #: live nodes by state
    nodes: Counter[NodeState]
    #: builds that wait for one
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFigures:
    """A provider with its servers."""

    provider: Provider
    max_servers: int
    words: tuple[Override, ...]
    nodes: int
    #: what it last told; None if it was never asked
    told: ProviderRow | None

    @property
    def drain(self) -> Override | None:
        return next((word for word in self.words if word.kind is OverrideKind.DRAIN), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """A breaker that was met by failures since a launch last went well."""

    provider: str
    label: str
    state: BreakerState
    breaker: Breaker


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """All that an operator sees of the pool."""

    labels: tuple[LabelFigures, ...]
    providers: tuple[ProviderFigures, ...]
    circuits: tuple[Circuit, ...]
    holds: Sequence[HoldRow]
    autoholds: Sequence[AutoholdRow]


def pool_of(session: Session, settings: Settings, now: datetime) -> Pool:
    """Look the pool up."""
    words = read_overrides(session)
    live = [NodeRow.state.in_(LIVE_STATES)]
    counts = {
        (provider, label, NodeState(state)): number
        for provider, label, state, number in session.execute(
            select(NodeRow.provider, NodeRow.label, NodeRow.state, func.count())
            .where(*live)
            .group_by(NodeRow.provider, NodeRow.label, NodeRow.state)
        )
    }
    waiting = {row[0]: row[1] for row in session.execute(_WAITING)}
    return Pool(
        labels=tuple(_label(settings, one, words, counts, waiting) for one in settings.labels),
        providers=tuple(
            ProviderFigures(
                provider=one,
                max_servers=figure(words, OverrideKind.MAX_SERVERS, one.name, one.max_servers),
                words=_of(words, one.name, OverrideKind.DRAIN, OverrideKind.MAX_SERVERS),
                nodes=sum(number for (provider, _, _), number in counts.items() if provider == one.name),
                told=session.get(ProviderRow, one.name),
            )
            for one in settings.providers
        ),
        circuits=circuits(session, settings, now),
        holds=open_holds(session),
        autoholds=standing_wishes(session),
    )


_WAITING = select(BuildRow.job, func.count()).where(BuildRow.state == BuildState.QUEUED).group_by(BuildRow.job)


def circuits(session: Session, settings: Settings, now: datetime) -> tuple[Circuit, ...]:
    """Return the breakers of each provider and label that have failures in a row."""
    known = endings(session, now)
    return tuple(
        Circuit(provider=provider.name, label=entry.name, state=breaker.state(now), breaker=breaker)
        for provider in settings.providers
        for entry in provider.labels
        for breaker in standing(known, provider.name, entry.name).breakers
    )


def _label(
    settings: Settings,
    label: Label,
    words: Overrides,
    counts: dict[tuple[str, str, NodeState], int],
    waiting: dict[str, int],
) -> LabelFigures:
    nodes: Counter[NodeState] = Counter()
    for (_, name, state), number in counts.items():
        nodes[state] += number if name == label.name else 0
    return LabelFigures(
        label=label,
        min_ready=figure(words, OverrideKind.MIN_READY, label.name, label.min_ready),
        max_nodes=figure(words, OverrideKind.MAX_NODES, label.name, label.max_nodes),
        words=_of(words, label.name, OverrideKind.MIN_READY, OverrideKind.MAX_NODES),
        nodes=nodes,
        waiting=sum(waiting.get(job.name, 0) for job in settings.jobs if job.label == label.name),
    )


def _of(words: Overrides, name: str, *kinds: OverrideKind) -> tuple[Override, ...]:
    return tuple(words[kind, name] for kind in kinds if (kind, name) in words)
