"""What the page of events looks up: what Gerrit told, what became of it, and what the stream did not tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Date, cast, func, select
from sqlalchemy.orm import Session, joinedload

from xenci.model.build import FoundBy
from xenci.store.tables import BuildsetRow, ChangeRow, EventRow, PatchsetRow, WatermarkRow

PAGE = 50
#: what the tabs of the page offer
VIEWS = ("", "found", "waiting")
#: how a run is found that no event of the stream announced
MISSED = (FoundBy.EVENTS_LOG, FoundBy.RECONCILE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """How the runs of one day (UTC) were found."""

    day: date
    stream: int = 0
    events_log: int = 0
    reconcile: int = 0
    operator: int = 0
    renew: int = 0

    @property
    def missed(self) -> int:
        """Runs that no event of the stream announced."""
        return self.events_log + self.reconcile


def list_events(
    session: Session, *, view: str = "", change: int | None = None, before: int | None = None
) -> tuple[list[EventRow], bool]:
    """Return events, the newest first, and whether there are older ones."""
    query = select(EventRow).order_by(EventRow.id.desc()).limit(PAGE + 1)
    if view == "found":
        query = query.where(EventRow.source.in_(MISSED))
    elif view == "waiting":
        query = query.where(EventRow.outcome.is_(None))
    if change is not None:
        query = query.where(EventRow.change == change)
    if before is not None:
        query = query.where(EventRow.id < before)
    rows = list(session.scalars(query))
    return rows[:PAGE], len(rows) > PAGE


def found_by_day(session: Session, *, since: datetime) -> list[Day]:
    """Return the days in which runs began, the newest first, with how these were found."""
    day = cast(func.timezone("UTC", BuildsetRow.created_at), Date)
    query = select(day, BuildsetRow.found_by, func.count()).where(BuildsetRow.created_at >= since)
    counts: dict[date, dict[str, int]] = {}
    for when, found_by, number in session.execute(query.group_by(day, BuildsetRow.found_by)):
        counts.setdefault(when, {})[str(found_by).replace("-", "_")] = number
    return [Day(day=when, **by) for when, by in sorted(counts.items(), reverse=True)]


def found_counts(session: Session) -> dict[FoundBy, int]:
    """Count all runs by how they were found."""
    rows = session.execute(select(BuildsetRow.found_by, func.count()).group_by(BuildsetRow.found_by))
    known = {str(found_by): number for found_by, number in rows}
    return {one: known.get(one, 0) for one in FoundBy}


def missed_runs(session: Session, *, since: datetime, limit: int = 50) -> Sequence[BuildsetRow]:
    """Return the newest runs that no event of the stream announced."""
    query = select(BuildsetRow).where(BuildsetRow.found_by.in_(MISSED), BuildsetRow.created_at >= since)
    with_change = joinedload(BuildsetRow.patchset).joinedload(PatchsetRow.change)
    return session.scalars(query.order_by(BuildsetRow.id.desc()).limit(limit).options(with_change)).all()


def known_changes(session: Session, events: Sequence[EventRow]) -> set[int]:
    """Return those of the events' changes that have a page."""
    numbers = {event.change for event in events}
    return set(session.scalars(select(ChangeRow.number).where(ChangeRow.number.in_(numbers))))


def heard_since(session: Session, since: datetime) -> int:
    """Count the events of the stream since then."""
    query = select(func.count()).where(EventRow.source == FoundBy.STREAM, EventRow.received_at >= since)
    return session.scalar(query) or 0


def looked_at(session: Session) -> datetime | None:
    """Return up to when all open changes were looked at."""
    row = session.get(WatermarkRow, "reconcile")
    return row.at if row else None


def month(now: datetime) -> datetime:
    """Return the beginning of what the page counts."""
    return now - timedelta(days=30)
