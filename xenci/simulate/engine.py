"""The virtual clock: a heap of what happens when, and after each moment what the rules make of it.

The pool is planned only when something changed: an event started or ended a build, a launch or a deletion came to its
end, a build ended, or an age was reached that a rule looks at. In production the pool is looked at every three
seconds; that delay is not simulated.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from xenci.errors import Permanent
from xenci.gerrit.port import Event
from xenci.rules.cost import Life
from xenci.rules.dispatch import Waiting, in_order
from xenci.simulate.installation import Installation, Scenario
from xenci.simulate.nodes import Nodes
from xenci.simulate.runs import Build, Buildset, Runs

#: the pool is warm when the first event comes
_BEFORE = timedelta(hours=1)
#: with more failures than this the world would never come to its end
_MOST_FAILURES = 0.9


class CannotSimulate(Permanent):
    """This world cannot be simulated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """All that happened."""

    scenario: Scenario
    buildsets: Sequence[Buildset]
    lives: Sequence[Life]
    #: from the first node to the last report
    begins: datetime
    ends: datetime
    #: most servers that were there at once
    most_nodes: int
    launches: int
    failed_launches: int
    #: how often the pool was planned
    plans: int


#: is told of every moment after everything of it was done; tests look at the world by it
Watch = Callable[["World"], None]


def simulate(
    events: Sequence[Event], installation: Installation, scenario: Scenario, watch: Watch | None = None
) -> Outcome:
    """Run the world until every event was heard and every buildset has ended. Raises CannotSimulate."""
    if not 0 <= scenario.failures <= _MOST_FAILURES or scenario.nodes < 1 or not installation.room:
        detail = f"{scenario.nodes} nodes, room for {installation.room}, {scenario.failures:.0%} of launches fail"
        raise CannotSimulate(detail, remedy=f"take at least one node, and at most {_MOST_FAILURES:.0%} failures")
    world = World(events, installation, scenario)
    while world.step():
        if watch is not None:
            watch(world)
    return world.outcome()


class World:
    """What there is at one moment."""

    def __init__(self, events: Sequence[Event], installation: Installation, scenario: Scenario) -> None:
        self._events = events
        self._scenario = scenario
        self._heap: list[tuple[datetime, int, str, int]] = []
        self._pushed = 0
        self._heard = 0
        self.begins = events[0].at - _BEFORE
        self.now = self.begins
        self.runs = Runs(installation)
        self.nodes = Nodes(installation, scenario, self._later)
        #: builds without a node, and builds on one, by their ids
        self.waiting: dict[int, Build] = {}
        self.running: dict[int, Build] = {}
        self._later(self.begins, "look", 0)
        for number, event in enumerate(events):
            self._later(event.at, "event", number)

    def step(self) -> bool:
        """Move on to the next moment in which something happens; return False when all is done."""
        if not self._heap or (self._heard == len(self._events) and not self.runs.open):
            return False
        self.now = self._heap[0][0]
        while self._heap and self._heap[0][0] == self.now:
            _, _, what, number = heapq.heappop(self._heap)
            self._happen(what, number)
        self._dispatch()
        self.nodes.plan(Counter(build.label for build in self.waiting.values()), self.now)
        return True

    def outcome(self) -> Outcome:
        """Return what happened until now."""
        lives = self.nodes.all_lives()
        return Outcome(
            scenario=self._scenario,
            buildsets=self.runs.buildsets,
            lives=lives,
            begins=self.begins,
            ends=self.now,
            most_nodes=self.nodes.most,
            launches=self.nodes.launches,
            failed_launches=sum(1 for life in lives if life.is_failed),
            plans=self.nodes.plans,
        )

    def _later(self, at: datetime, what: str, number: int) -> None:
        self._pushed += 1
        heapq.heappush(self._heap, (at, self._pushed, what, number))

    def _happen(self, what: str, number: int) -> None:
        match what:
            case "event":
                self._hear(self._events[number])
            case "done":
                build = self.running.pop(number, None)
                if build is not None:
                    self.runs.finish(build, self.now)
                    self._leave(build)
            case "launched":
                self.nodes.launched(number, self.now)
            case "gone":
                self.nodes.gone(number, self.now)
            case _:
                # an age was reached: the plan that follows is what it is for
                pass

    def _hear(self, event: Event) -> None:
        self._heard += 1
        started, withdrawn = self.runs.hear(event, self.now)
        for build in withdrawn:
            self.waiting.pop(build.id, None)
            if self.running.pop(build.id, None) is not None:
                self._leave(build)
        self.waiting.update({build.id: build for build in started})

    def _leave(self, build: Build) -> None:
        if build.node is not None:
            self.nodes.leave(build.node, self.now)

    def _dispatch(self) -> None:
        if not any(self.nodes.is_ready(label) for label in {build.label for build in self.waiting.values()}):
            return
        projects = Counter(build.buildset.patchset.project for build in self.running.values())
        for number in in_order([_waiting(build) for build in self.waiting.values()], self.now, projects):
            build = self.waiting[number]
            build.node = self.nodes.claim(build.label, build.id, self.now)
            if build.node is None:
                continue
            build.started_at = self.now
            self.running[number] = self.waiting.pop(number)
            length = self._scenario.run.draw(self._scenario.chance(build.buildset.key, number))
            self._later(self.now + length, "done", number)


def _waiting(build: Build) -> Waiting:
    buildset = build.buildset
    return Waiting(
        id=build.id,
        project=buildset.patchset.project,
        priority=buildset.pipeline.priority,
        is_recheck=buildset.is_recheck,
        since=buildset.asked_at,
    )
