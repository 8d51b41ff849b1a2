"""Which nodes to ask for and which to give up, from the settings, the nodes that there are and the builds that wait.

A label gets a ready node for each waiting build and `min_ready` besides, never more than `max_nodes`. They are spread
over the providers that work by their weights; one that fails is avoided and then left alone for a while
(`breaker.py`). Of the last launches of a label each provider gets its least share, so that both clouds stay tried. A
node that is being deleted does not count against its label, or a dead cloud would starve the others, but it does count
against its provider: its server is still there. So does one that an image is made on. A provider that is drained gives
up what runs no build.
"""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from xenci.model.node import NodeState
from xenci.rules.breaker import Standing, standing
from xenci.rules.nodes import LAUNCHING, Node
from xenci.rules.pool_leaving import leaving, orphans
from xenci.rules.pool_nouns import Launch, Need, Plan, Retire, Supply, World

#: a ready node that nobody needs any more is kept for so long
SURPLUS_KEPT = timedelta(minutes=30)
#: of so many last launches of a label each provider gets its least share
SHARE_OF = 20

__all__ = ["SHARE_OF", "SURPLUS_KEPT", "Launch", "Need", "Plan", "Retire", "Supply", "World", "plan", "standings"]
_BUSY = frozenset({NodeState.IN_USE, NodeState.USED, NodeState.HOLD})


def plan(world: World) -> Plan:
    """Decide what to do now, so that the same decision is not taken again once it is done."""
    tally = _Tally(world)
    launches: list[Launch] = []
    # builds that wait come before nodes that are kept waiting
    for wanted in (lambda need: need.queued, lambda need: need.idle):
        for need in world.needs:
            launches += _launches(tally, need, wanted)
    retirements = [*(one for one in orphans(world) if one.node not in tally.leaving), *tally.leaving.values()]
    short = {}
    for need in world.needs:
        retirements += _retirements(tally, need)
        lacking = min(need.idle - tally.idle_of(need.label), need.max_nodes - tally.alive[need.label])
        if lacking > 0:
            short[need.label] = lacking
    return Plan(launches=tuple(launches), retirements=tuple(retirements), short=short)


def standings(world: World) -> dict[tuple[str, str], Standing]:
    """Return how each provider stands with each of its labels."""
    return {(s.name, label): standing(world.endings, s.name, label) for s in world.supplies for label in s.labels}


class _Tally:
    """Counts the nodes as the plan grows."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.standings = standings(world)
        self.on_provider = Counter(node.provider for node in world.nodes)
        self.idle: Counter[tuple[str, str]] = Counter()
        self.launching: Counter[tuple[str, str]] = Counter()
        self.alive: Counter[str] = Counter()
        self.ready: dict[str, list[Node]] = {}
        self.aged: dict[str, list[Node]] = {}
        self.last = dict(world.asked_at)
        self.recent = {label: list(providers) for label, providers in world.recent.items()}
        self.leaving = {one.node: one for one in leaving(world)}
        ages = {need.label: need.max_age for need in world.needs}
        for node in world.nodes:
            if node.state is NodeState.DELETING or node.id in self.leaving or node.is_for_image:
                continue
            self.alive[node.label] += 1
            is_aged = node.state is NodeState.READY and world.at - (node.ready_at or world.at) > ages.get(
                node.label, timedelta.max
            )
            if node.state in LAUNCHING:
                self.launching[node.provider, node.label] += 1
            if node.state is NodeState.READY:
                (self.aged if is_aged else self.ready).setdefault(node.label, []).append(node)
            if node.state not in _BUSY and not is_aged:
                self.idle[node.provider, node.label] += 1

    def idle_of(self, label: str) -> int:
        """Nodes that are ready and not too old, or are becoming ready."""
        return sum(count for (_, of), count in self.idle.items() if of == label)

    def choose(self, label: str) -> str | None:
        """Return the provider to ask for another node of a label."""
        at = self.world.at

        def rank(supply: Supply) -> tuple[object, ...]:
            key = (supply.name, label)
            asked_at = self.last.get(key, datetime.min.replace(tzinfo=UTC))
            return (
                self.standings[key].is_avoided(at),
                not self._lacks_share(supply, label),
                (self.idle[key] + 1) / supply.weight,
                (self.on_provider[supply.name] + 1) / supply.weight,
                asked_at,
                key,
            )

        fit = [s for s in self.world.supplies if label in s.labels and s.may_grow and self._may_ask(s, label)]
        return min(fit, key=rank).name if fit else None

    def _lacks_share(self, supply: Supply, label: str) -> bool:
        """Tell whether a provider would have less than its share of the last launches if another got the next one."""
        last = self.recent.get(label, [])[-(SHARE_OF - 1) :]
        return last.count(supply.name) < supply.least_share * (len(last) + 1)

    def _may_ask(self, supply: Supply, label: str) -> bool:
        if self.on_provider[supply.name] >= supply.capacity:
            return False
        stands = self.standings[supply.name, label]
        if stands.is_closed(self.world.at):
            return False
        # after a pause one launch is tried alone
        if stands.is_broken_widely:
            return not any(self.launching[supply.name, one] for one in supply.labels)
        return not (stands.is_broken and self.launching[supply.name, label])

    def add(self, provider: str, label: str) -> Launch:
        self.on_provider[provider] += 1
        self.idle[provider, label] += 1
        self.launching[provider, label] += 1
        self.alive[label] += 1
        self.last[provider, label] = self.world.at
        self.recent.setdefault(label, []).append(provider)
        return Launch(provider=provider, label=label)


def _launches(tally: _Tally, need: Need, wanted: Callable[[Need], int]) -> list[Launch]:
    launches: list[Launch] = []
    while tally.idle_of(need.label) < wanted(need) and tally.alive[need.label] < need.max_nodes:
        provider = tally.choose(need.label)
        if provider is None:
            break
        launches.append(tally.add(provider, need.label))
    return launches


def _retirements(tally: _Tally, need: Need) -> list[Retire]:
    at = tally.world.at
    aged = sorted(tally.aged.get(need.label, []), key=lambda node: node.ready_at or at)
    fresh = sorted(tally.ready.get(need.label, []), key=lambda node: node.ready_at or at)
    reason = f"ready for longer than {need.max_age}"
    if len(fresh) >= need.idle:
        surplus = [n for n in fresh[: len(fresh) - need.idle] if at - (n.ready_at or at) > SURPLUS_KEPT]
        return [Retire(node=node.id, reason=reason) for node in aged] + [
            Retire(node=node.id, reason="not needed any more") for node in surplus
        ]
    if aged and tally.idle_of(need.label) < need.idle and _is_room_all_that_lacks(tally, need):
        return [Retire(node=aged[0].id, reason=f"{reason}; makes room for its successor")]
    return []


def _is_room_all_that_lacks(tally: _Tally, need: Need) -> bool:
    """Tell whether a successor of an aged node could be launched if the aged one made room."""
    if tally.alive[need.label] >= need.max_nodes:
        return any(
            need.label in s.labels and s.may_grow and not tally.standings[s.name, need.label].is_closed(tally.world.at)
            for s in tally.world.supplies
        )
    homes = {node.provider for node in tally.aged[need.label]}
    return any(
        s.name in homes and s.may_grow and not tally.standings[s.name, need.label].is_closed(tally.world.at)
        for s in tally.world.supplies
        if need.label in s.labels
    )
