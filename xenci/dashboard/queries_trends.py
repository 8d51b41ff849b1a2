"""Finds what the trends are drawn from: builds that ended, and how long waits, runs and reports took."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import Session

from xenci.model.outcome import Fault, Result
from xenci.rules.statistics import Ended, Spread, spread
from xenci.store.tables import BuildRow, BuildsetRow, ChangeRow, NodeRow, PatchsetRow, ReportRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """How long things took."""

    #: from asking for a build until it got its node
    waits: Spread
    #: from the node to the verdict, of builds that succeeded
    runs: Spread
    #: from the trigger in Gerrit to the comment there
    reports: Spread


def ended_builds(session: Session, *, since: datetime, job: str, branch: str, cloud: str) -> list[Ended]:
    """Return the builds that ended since a moment; those that had no node ran nothing and show nothing."""
    query = select(BuildRow.finished_at, BuildRow.result, BuildRow.fault).where(
        BuildRow.finished_at >= since, BuildRow.result.is_not(None), _wanted(job, branch, cloud)
    )
    return [
        Ended(finished_at=finished_at, result=Result(result), fault=Fault(fault) if fault else Fault.UNKNOWN)
        for finished_at, result, fault in session.execute(query)
        if finished_at is not None and result is not None
    ]


def durations(session: Session, *, since: datetime, job: str = "", branch: str = "", cloud: str = "") -> Durations:
    """Return how long waits, runs and reports took since a moment."""
    wanted = _wanted(job, branch, cloud)
    waits = session.execute(
        select(BuildRow.created_at, BuildRow.started_at).where(BuildRow.started_at >= since, wanted)
    )
    runs = session.execute(
        select(BuildRow.started_at, BuildRow.finished_at).where(
            BuildRow.finished_at >= since, BuildRow.started_at.is_not(None), BuildRow.result == Result.SUCCESS, wanted
        )
    )
    reports = session.execute(
        select(BuildsetRow.triggered_at, ReportRow.posted_at)
        .join(ReportRow, ReportRow.buildset_id == BuildsetRow.id)
        .where(ReportRow.posted_at >= since, BuildsetRow.builds.any(wanted))
    )
    return Durations(waits=spread(_lengths(waits)), runs=spread(_lengths(runs)), reports=spread(_lengths(reports)))


def _wanted(job: str, branch: str, cloud: str) -> ColumnElement[bool]:
    """Return the condition on builds: those with a node, of a job, a branch and a cloud; empty means any."""
    wanted: list[ColumnElement[bool]] = [BuildRow.node_id.is_not(None)]
    if job:
        wanted.append(BuildRow.job == job)
    if branch:
        of_branch = PatchsetRow.change.has(ChangeRow.branch == branch)
        wanted.append(BuildRow.buildset.has(BuildsetRow.patchset.has(of_branch)))
    if cloud:
        wanted.append(BuildRow.node.has(NodeRow.provider == cloud))
    return and_(*wanted)


def _lengths(pairs: Iterable[tuple[datetime | None, datetime | None]]) -> list[timedelta]:
    return [end - start for start, end in pairs if start is not None and end is not None]
