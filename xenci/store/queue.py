"""The queue as rows: what waits for a node, in the order in which it is served; dispatch and pages read the same."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from xenci.config.models import Settings
from xenci.model.build import BuildState, TriggerKind
from xenci.rules.dispatch import Waiting, in_order
from xenci.store.tables import BuildRow, BuildsetRow, PatchsetRow

_WITH_CHANGE = joinedload(BuildRow.buildset).joinedload(BuildsetRow.patchset).joinedload(PatchsetRow.change)


def waiting_in_order(session: Session, settings: Settings, now: datetime) -> list[BuildRow]:
    """Return the builds that wait for a node, the next first; not those that the configuration no longer has."""
    builds = {build.id: build for build in _in_state(session, BuildState.QUEUED) if is_configured(settings, build)}
    projects = Counter(build.buildset.patchset.change.project for build in _in_state(session, BuildState.RUNNING))
    return [builds[number] for number in in_order([_waiting(settings, one) for one in builds.values()], now, projects)]


def running(session: Session) -> Sequence[BuildRow]:
    """Return the builds that run on a node, the oldest first."""
    return sorted(_in_state(session, BuildState.RUNNING), key=lambda build: build.started_at or build.created_at)


def is_configured(settings: Settings, build: BuildRow) -> bool:
    """Tell whether the configuration still has what a build is of."""
    return any(job.name == build.job for job in settings.jobs) and any(
        pipeline.name == build.buildset.pipeline for pipeline in settings.pipelines
    )


def _in_state(session: Session, state: BuildState) -> Sequence[BuildRow]:
    return session.scalars(select(BuildRow).where(BuildRow.state == state).options(_WITH_CHANGE)).all()


def _waiting(settings: Settings, build: BuildRow) -> Waiting:
    buildset = build.buildset
    return Waiting(
        id=build.id,
        project=buildset.patchset.change.project,
        priority=settings.pipeline(buildset.pipeline).priority,
        is_recheck=buildset.trigger == TriggerKind.RECHECK,
        since=buildset.triggered_at,
    )
