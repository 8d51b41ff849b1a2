"""Nodes of the virtual world: launched and given up by `rules/pool.py`, taken as services/pool.py takes them."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from xenci.model.node import LaunchFailure, NodeState
from xenci.rules import breaker
from xenci.rules.cost import Life
from xenci.rules.nodes import Node
from xenci.rules.pool import SHARE_OF, SURPLUS_KEPT, Need, World, plan
from xenci.simulate.installation import Installation, Scenario

#: how far back launches are looked at, as in services/pool_world.py
_HISTORY = timedelta(hours=24)
#: a moment later what depends on an age alone is looked at
_SOON = timedelta(seconds=1)

#: has something happen later: when, what, to which node
Later = Callable[[datetime, str, int], None]


class Nodes:
    """The pool."""

    def __init__(self, installation: Installation, scenario: Scenario, later: Later) -> None:
        self._installation = installation
        self._scenario = scenario
        self._later = later
        self._endings: list[breaker.Ending] = []
        self._asked_at: dict[tuple[str, str], datetime] = {}
        self._build_of: dict[int, int] = {}
        #: launches of each label that did not fail, the oldest first: when, which, of whom
        self._recent: dict[str, dict[int, tuple[datetime, str]]] = {}
        self._failed: set[int] = set()
        self.live: dict[int, Node] = {}
        self.lives: list[Life] = []
        self.launches = 0
        self.most = 0
        self.plans = 0

    def plan(self, queued: Mapping[str, int], at: datetime) -> None:
        """Launch and retire as the rules say."""
        self.plans += 1
        self._endings = [ending for ending in self._endings if at - ending.at < _HISTORY]
        decided = plan(
            World(
                needs=[
                    Need(
                        label=label.name,
                        min_ready=label.min_ready,
                        max_nodes=self._scenario.nodes,
                        max_age=label.max_age,
                        queued=queued.get(label.name, 0),
                    )
                    for label in self._installation.labels
                ],
                supplies=self._installation.supplies,
                nodes=list(self.live.values()),
                endings=self._endings,
                asked_at=self._asked_at,
                recent={label: self._last_providers(label, at) for label in self._recent},
                at=at,
            )
        )
        for launch in decided.launches:
            self._launch(launch.provider, launch.label, at)
        for retirement in decided.retirements:
            self._delete(retirement.node, at)
        self.most = max(self.most, len(self.live))

    def is_ready(self, label: str) -> bool:
        """Tell whether a node waits for a build."""
        return any(node.label == label and node.state is NodeState.READY for node in self.live.values())

    def claim(self, label: str, build: int, at: datetime) -> int | None:
        """Take a ready node: of the provider with fewer in use, as its weight wants it, and there the oldest."""
        in_use = Counter(node.provider for node in self.live.values() if node.state is NodeState.IN_USE)
        ready = [node for node in self.live.values() if node.label == label and node.state is NodeState.READY]
        if not ready:
            return None
        weights = self._installation.weights
        node = min(
            ready,
            key=lambda node: ((in_use[node.provider] + 1) / weights[node.provider], node.ready_at or at, node.id),
        )
        self.live[node.id] = replace(node, state=NodeState.IN_USE, state_at=at)
        self._build_of[node.id] = build
        return node.id

    def leave(self, number: int, at: datetime) -> None:
        """Give up a node whose build has ended: it serves one build."""
        self._delete(number, at)

    def launched(self, number: int, at: datetime) -> None:
        """A launch has come to its end: the node is ready, or it failed."""
        node = self.live[number]
        failure = LaunchFailure.BOOT if number in self._failed else None
        self._endings.append(breaker.Ending(provider=node.provider, label=node.label, at=at, failure=failure))
        if failure is None:
            self.live[number] = replace(node, state=NodeState.READY, ready_at=at, state_at=at)
            ages = [label.max_age for label in self._installation.labels if label.name == node.label]
            for age in (SURPLUS_KEPT, *ages):
                self._later(at + age + _SOON, "look", 0)
            return
        self._recent[node.label].pop(number, None)
        self._delete(number, at)
        stands = breaker.standing(self._endings, node.provider, node.label)
        if stands.closed_until is not None:
            self._later(stands.closed_until, "look", 0)

    def gone(self, number: int, at: datetime) -> None:
        """The server is deleted."""
        self.lives.append(self._life(self.live.pop(number), at))

    def all_lives(self) -> list[Life]:
        """Return every server that there was; those that live have no end."""
        return [*self.lives, *(self._life(node, None) for node in self.live.values())]

    def _launch(self, provider: str, label: str, at: datetime) -> None:
        self.launches += 1
        chance = self._scenario.chance("node", self.launches)
        if chance.random() < self._scenario.failures:
            self._failed.add(self.launches)
        self.live[self.launches] = Node(
            id=self.launches,
            name=f"node-{self.launches:06d}",
            label=label,
            provider=provider,
            state=NodeState.BUILDING,
            created_at=at,
            state_at=at,
        )
        self._asked_at[provider, label] = at
        self._recent.setdefault(label, {})[self.launches] = (at, provider)
        self._later(at + self._scenario.boot.draw(chance), "launched", self.launches)

    def _last_providers(self, label: str, at: datetime) -> list[str]:
        """Return the providers of a label's last launches, as store/launches.py reads them from the rows."""
        launches = self._recent[label]
        for number in [number for number, (since, _) in launches.items() if at - since >= _HISTORY]:
            del launches[number]
        return [provider for _, provider in launches.values()][-SHARE_OF:]

    def _delete(self, number: int, at: datetime) -> None:
        self.live[number] = replace(self.live[number], state=NodeState.DELETING, state_at=at)
        self._later(at + self._scenario.deletion, "gone", number)

    def _life(self, node: Node, at: datetime | None) -> Life:
        return Life(
            provider=node.provider,
            label=node.label,
            created_at=node.created_at,
            ended_at=at,
            build=self._build_of.get(node.id),
            is_failed=node.id in self._failed,
        )
