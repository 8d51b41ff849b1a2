"""Alarms, switches, hearts and audit rows: the small facts that every loop writes in the same way."""

from datetime import datetime
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from xenci.rules.absence import AWAY, since_of
from xenci.store.tables import ActionRow, AlarmRow, HeartRow, SwitchRow, WatermarkRow

REPORTS_PAUSED = "reports_paused"
#: the heart that beats while a worker's process lives, whatever its steps wait for
LIFE = "life"


def raise_alarm(session: Session, key: str, *, brief: str, detail: str = "", remedy: str = "", at: datetime) -> None:
    """Open the alarm of this key, or count it once more if it is open."""
    detail = detail.replace("\0", "�")  # which PostgreSQL refuses
    fresh = insert(AlarmRow).values(
        key=key, brief=brief, detail=detail[:4000], remedy=remedy, opened_at=at, seen_at=at, count=1
    )
    session.execute(
        fresh.on_conflict_do_update(
            index_elements=[AlarmRow.key],
            index_where=AlarmRow.closed_at.is_(None),
            set_={
                "seen_at": at,
                "brief": brief,
                "detail": detail[:4000],
                "remedy": remedy,
                "count": AlarmRow.count + 1,
            },
        )
    )


def clear_alarm(session: Session, key: str, *, at: datetime) -> None:
    """Close the alarm of this key, if it is open."""
    for row in session.scalars(select(AlarmRow).where(AlarmRow.key == key, AlarmRow.closed_at.is_(None))):
        row.closed_at = at


def open_alarms(session: Session) -> list[AlarmRow]:
    """Return the alarms that last, oldest first."""
    return list(
        session.scalars(select(AlarmRow).where(AlarmRow.closed_at.is_(None)).order_by(AlarmRow.opened_at, AlarmRow.id))
    )


def beat(session: Session, name: str, *, at: datetime, detail: str = "") -> None:
    """Write a sign of life of a loop."""
    was_away = HeartRow.beat_at < at - AWAY
    session.execute(
        insert(HeartRow)
        .values(name=name, beat_at=at, since=at, detail=detail)
        .on_conflict_do_update(
            index_elements=[HeartRow.name],
            set_={"beat_at": at, "since": case((was_away, at), else_=HeartRow.since), "detail": detail},
        )
    )


def back_at(session: Session, *, at: datetime) -> datetime | None:
    """Return since when the rows are looked at without a break, or None if they never were.

    After a break it is this very moment until the first sign of life has written it down.
    """
    heart = session.get(HeartRow, LIFE, populate_existing=True)
    return None if heart is None else since_of(heart.beat_at, heart.since, at)


def watermark(session: Session, name: str) -> WatermarkRow | None:
    """Return the watermark of this name, or None if nothing was ever looked at wholly."""
    return session.get(WatermarkRow, name)


def set_watermark(session: Session, name: str, *, at: datetime, note: str = "") -> None:
    """Move a watermark on; never back."""
    fresh = insert(WatermarkRow).values(name=name, at=at, note=note)
    session.execute(
        fresh.on_conflict_do_update(
            index_elements=[WatermarkRow.name], set_={"at": func.greatest(WatermarkRow.at, at), "note": note}
        )
    )


def set_switch(session: Session, name: str, value: dict[str, Any], *, by: str, at: datetime) -> None:
    """Set a switch."""
    session.execute(
        insert(SwitchRow)
        .values(name=name, value=value, set_by=by, set_at=at)
        .on_conflict_do_update(index_elements=[SwitchRow.name], set_={"value": value, "set_by": by, "set_at": at})
    )


def switch(session: Session, name: str) -> SwitchRow | None:
    """Return a switch's row, or None if it was never set."""
    return session.get(SwitchRow, name)


def are_reports_paused(session: Session) -> bool:
    """Tell whether posting is paused. Before the switch was ever set (a database not yet made ready) it is."""
    row = switch(session, REPORTS_PAUSED)
    return True if row is None else bool(row.value["paused"])


def audit(session: Session, *, who: str, what: str, reason: str = "", at: datetime) -> None:
    """Write down what an operator did."""
    session.add(ActionRow(who=who, what=what, reason=reason, at=at))
