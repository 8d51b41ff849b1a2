"""What the health page, `/healthz` and the frame look up: alarms, hearts, outbox, conflicts, disk, database."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session, joinedload

from xenci.model.build import ReportState
from xenci.model.outcome import Result
from xenci.store.marks import REPORTS_PAUSED
from xenci.store.tables import (
    ActionRow,
    AlarmRow,
    BuildsetRow,
    EventRow,
    HeartRow,
    PatchsetRow,
    ReportRow,
    SwitchRow,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbox:
    """The comments that Gerrit does not have yet."""

    is_paused: bool
    #: who paused or resumed it, and when; None if nobody ever did
    switch: SwitchRow | None
    pending: int
    #: pending, and tried at least once
    failing: tuple[ReportRow, ...]
    oldest_at: datetime | None
    posted: int
    last_posted_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """Space where the logs lie, in GB."""

    folder: Path
    free_gb: float
    total_gb: float
    min_free_gb: float

    @property
    def is_short(self) -> bool:
        return self.free_gb < self.min_free_gb


def outbox(session: Session) -> Outbox:
    """Look into the outbox."""
    waiting = ReportRow.state == ReportState.PENDING
    switch = session.get(SwitchRow, REPORTS_PAUSED)
    failing = session.scalars(
        select(ReportRow)
        .where(waiting, ReportRow.attempts > 0)
        .order_by(ReportRow.id)
        .limit(20)
        .options(joinedload(ReportRow.buildset).joinedload(BuildsetRow.patchset).joinedload(PatchsetRow.change))
    )
    return Outbox(
        is_paused=True if switch is None else bool(switch.value.get("paused")),
        switch=switch,
        pending=session.scalar(select(func.count()).where(waiting)) or 0,
        failing=tuple(failing),
        oldest_at=session.scalar(select(func.min(ReportRow.created_at)).where(waiting)),
        posted=session.scalar(select(func.count()).where(ReportRow.state == ReportState.POSTED)) or 0,
        last_posted_at=session.scalar(select(func.max(ReportRow.posted_at))),
    )


def carry_conflicts(session: Session, *, limit: int = 20) -> list[BuildsetRow]:
    """Return the newest buildsets on which the carried series did not apply."""
    return list(
        session.scalars(
            select(BuildsetRow)
            .where(BuildsetRow.result == Result.CARRY_CONFLICT)
            .order_by(BuildsetRow.id.desc())
            .limit(limit)
            .options(joinedload(BuildsetRow.patchset).joinedload(PatchsetRow.change))
        )
    )


def closed_alarms(session: Session, *, limit: int = 10) -> list[AlarmRow]:
    """Return the alarms that ended last."""
    return list(
        session.scalars(
            select(AlarmRow).where(AlarmRow.closed_at.is_not(None)).order_by(AlarmRow.closed_at.desc()).limit(limit)
        )
    )


def all_hearts(session: Session) -> Sequence[HeartRow]:
    """Return every sign of life."""
    return session.scalars(select(HeartRow).order_by(HeartRow.name)).all()


def last_event(session: Session) -> EventRow | None:
    """Return the last line heard from Gerrit."""
    return session.scalar(select(EventRow).order_by(EventRow.id.desc()).limit(1))


def last_actions(session: Session, *, limit: int = 10) -> list[ActionRow]:
    """Return what operators did last."""
    return list(session.scalars(select(ActionRow).order_by(ActionRow.id.desc()).limit(limit)))


def database_size(session: Session) -> tuple[int, str]:
    """Return the size of the database in bytes, and PostgreSQL's version."""
    row = session.execute(text("select pg_database_size(current_database()), current_setting('server_version')")).one()
    return int(row[0]), str(row[1])


def disk(folder: Path, *, min_free_gb: float) -> Disk:
    """Return the space where a folder is, or will be."""
    where = folder
    while not where.exists() and where != where.parent:
        where = where.parent
    usage = shutil.disk_usage(where)
    return Disk(folder=folder, free_gb=usage.free / 1e9, total_gb=usage.total / 1e9, min_free_gb=min_free_gb)
