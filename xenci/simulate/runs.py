"""Buildsets and builds of the virtual world: what events start, and what a newer patch set or a closed change ends."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from xenci.config.models import Pipeline
from xenci.gerrit.port import Event
from xenci.model.build import TriggerKind
from xenci.model.change import Patchset
from xenci.rules.trigger import Heard, Ignore, KnownRun, Run, decide
from xenci.simulate.installation import Installation


class Ending(StrEnum):
    """How a buildset of the virtual world ended."""

    #: its builds ended, and Gerrit was told
    REPORTED = "reported"
    #: it took over the verdict on an earlier patch set, without a node
    COPIED = "copied"
    #: a newer patch set came, or the change was closed
    WITHDRAWN = "withdrawn"


@dataclass(slots=True, kw_only=True)
class Build:
    """One job of a buildset; none is tried twice here."""

    id: int
    label: str
    buildset: "Buildset"
    started_at: datetime | None = None
    node: int | None = None
    ended_at: datetime | None = None


@dataclass(slots=True, kw_only=True)
class Buildset:
    """All builds for one trigger."""

    id: int
    patchset: Patchset
    pipeline: Pipeline
    key: str
    is_recheck: bool
    #: when it was asked for in Gerrit, and when we heard of it
    asked_at: datetime
    created_at: datetime
    builds: list[Build] = field(default_factory=list)
    ending: Ending | None = None
    ended_at: datetime | None = None

    def end(self, how: Ending, at: datetime) -> None:
        """Write down how it ended."""
        self.ending, self.ended_at = how, at


class Runs:
    """Every buildset, by the rules of `rules/trigger.py`."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._current: dict[int, Patchset] = {}
        self._kinds: dict[tuple[int, int], str] = {}
        self._of_change: dict[int, list[Buildset]] = {}
        self._builds = 0
        self.buildsets: list[Buildset] = []
        self.open = 0

    def hear(self, event: Event, at: datetime) -> tuple[list[Build], list[Build]]:
        """Return the builds that an event starts, and those that it ends before their time."""
        patchset = self._newest(event)
        withdrawn = self._withdraw(patchset, at)
        known = [_known(one) for one in self._of_change.get(patchset.change, ())]
        heard = Heard(type=event.type, patchset=patchset, message=event.message, at=event.at)
        decision = decide(heard, self._installation.pipelines, self._installation.me, self._installation.cis, known)
        started: list[Build] = []
        for run in () if isinstance(decision, Ignore) else decision:
            if all(run.key != one.key for one in known):
                started += self._start(run, patchset, at)
        return started, withdrawn

    def finish(self, build: Build, at: datetime) -> None:
        """End a build; the report follows when it was the last of its buildset."""
        build.ended_at = at
        if all(one.ended_at for one in build.buildset.builds):
            build.buildset.end(Ending.REPORTED, at)
            self.open -= 1

    def _newest(self, event: Event) -> Patchset:
        """Return the change's newest patch set as the events so far tell it: a comment may be on an older one."""
        assert event.patchset is not None
        told, had = event.patchset, self._current.get(event.patchset.change)
        if had is not None and told.number < had.number:
            newest = replace(had, status=told.status)
        elif had is not None and told.number == had.number and not told.files:
            newest = replace(told, files=had.files)
        else:
            newest = told
        self._current[newest.change] = newest
        self._kinds[newest.change, newest.number] = newest.kind
        return newest

    def _withdraw(self, patchset: Patchset, at: datetime) -> list[Build]:
        ended: list[Build] = []
        for buildset in self._of_change.get(patchset.change, ()):
            is_outdated = patchset.status != "NEW" or buildset.patchset.number < patchset.number
            if buildset.ending is None and is_outdated:
                buildset.end(Ending.WITHDRAWN, at)
                self.open -= 1
                ended += [build for build in buildset.builds if build.ended_at is None]
        for build in ended:
            build.ended_at = at
        return ended

    def _start(self, run: Run, patchset: Patchset, at: datetime) -> list[Build]:
        pipeline = next(one for one in self._installation.pipelines if one.name == run.pipeline)
        buildset = Buildset(
            id=len(self.buildsets) + 1,
            patchset=patchset,
            pipeline=pipeline,
            key=run.key,
            is_recheck=run.kind is TriggerKind.RECHECK,
            asked_at=min(run.triggered_at, at),
            created_at=at,
        )
        is_copied = not buildset.is_recheck and self._takes_over(buildset)
        self.buildsets.append(buildset)
        self._of_change.setdefault(patchset.change, []).append(buildset)
        if is_copied:
            buildset.end(Ending.COPIED, at)
            return []
        for job in pipeline.jobs:
            if job in self._installation.label_of:
                self._builds += 1
                label = self._installation.label_of[job]
                buildset.builds.append(Build(id=self._builds, label=label, buildset=buildset))
        self.open += 1
        return buildset.builds

    def _takes_over(self, buildset: Buildset) -> bool:
        """Tell whether the patch sets since one with a verdict changed no code, as services/copies.py does."""
        change, number = buildset.patchset.change, buildset.patchset.number
        kinds = buildset.pipeline.trigger.copy_verdict
        while self._kinds.get((change, number)) in kinds:
            number -= 1
            if any(
                one.patchset.number == number and one.pipeline is buildset.pipeline and one.ending is Ending.REPORTED
                for one in self._of_change.get(change, ())
            ):
                return True
        return False


def _known(buildset: Buildset) -> KnownRun:
    was_withdrawn = buildset.ending is Ending.WITHDRAWN
    return KnownRun(
        patchset=buildset.patchset.number,
        pipeline=buildset.pipeline.name,
        key=buildset.key,
        created_at=buildset.created_at,
        was_withdrawn=was_withdrawn,
        was_silent=was_withdrawn,
    )
