"""Finds nodes: those that exist, by provider, and the newest past ones."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from xenci.config.models import Provider, Settings
from xenci.model.node import LIVE_STATES, NodeState
from xenci.store.tables import BuildRow, NodeRow, ProviderRow, StrayRow

#: the order in which states are told and drawn
ORDER = (
    NodeState.IN_USE,
    NodeState.READY,
    NodeState.TESTING,
    NodeState.BUILDING,
    NodeState.HOLD,
    NodeState.USED,
    NodeState.DELETING,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderNodes:
    """The nodes of one provider."""

    name: str
    #: None for a provider that is no longer in the configuration
    provider: Provider | None
    #: what it last told; None if it was never asked
    told: ProviderRow | None
    nodes: tuple[NodeRow, ...]
    past: tuple[NodeRow, ...]
    #: launches of the last 20 nodes that failed
    failed: int
    launched: int
    #: the newest node of those whose launch failed
    last_failed: NodeRow | None

    def counts(self) -> list[tuple[NodeState, int]]:
        """Return how many nodes are in each state that has any."""
        by = {state: sum(1 for node in self.nodes if node.state == state) for state in ORDER}
        return [(state, number) for state, number in by.items() if number]


def nodes_by_provider(session: Session, settings: Settings, *, past: int = 10) -> list[ProviderNodes]:
    """Return every provider of the configuration, and others that still have nodes."""
    live = _live(session)
    known = {provider.name: provider for provider in settings.providers}
    names = [*known, *sorted({node.provider for node in live} - set(known))]
    return [_provider(session, name, known.get(name), live, past) for name in names]


def _live(session: Session) -> Sequence[NodeRow]:
    states = [str(state) for state in LIVE_STATES]
    return session.scalars(select(NodeRow).where(NodeRow.state.in_(states)).order_by(NodeRow.id)).all()


def _provider(
    session: Session, name: str, provider: Provider | None, live: Sequence[NodeRow], past: int
) -> ProviderNodes:
    gone = session.scalars(
        select(NodeRow)
        .where(NodeRow.provider == name, NodeRow.state == NodeState.DELETED)
        .order_by(NodeRow.id.desc())
        .limit(max(past, 20))
    ).all()
    mine = tuple(node for node in live if node.provider == name)
    newest = sorted((*mine, *gone), key=lambda node: node.id, reverse=True)[:20]
    return ProviderNodes(
        name=name,
        provider=provider,
        told=session.get(ProviderRow, name),
        nodes=mine,
        past=tuple(gone[:past]),
        failed=sum(1 for node in newest if node.failure),
        launched=len(newest),
        last_failed=next((node for node in newest if node.failure), None),
    )


def builds_of_nodes(session: Session, nodes: Sequence[NodeRow]) -> dict[int, BuildRow]:
    """Return the builds that nodes run or ran, by the build's id."""
    ids = [node.build_id for node in nodes if node.build_id is not None]
    return {build.id: build for build in session.scalars(select(BuildRow).where(BuildRow.id.in_(ids)))}


def strays(session: Session) -> list[StrayRow]:
    """Return what carries our system id, has no row, and is still there."""
    return list(session.scalars(select(StrayRow).where(StrayRow.deleted_at.is_(None)).order_by(StrayRow.id).limit(50)))
