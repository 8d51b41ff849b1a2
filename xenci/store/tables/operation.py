"""Tables of the running of xenci itself: alarms, signs of life, switches, and what operators did."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String, func
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from xenci.store.tables.metadata import Base


class AlarmRow(Base):
    """Something that needs a person, once per key while it lasts."""

    __tablename__ = "alarms"
    __table_args__ = (Index("ux_alarms_open", "key", unique=True, postgresql_where=sql("closed_at IS NULL")),)

    id: Mapped[int] = mapped_column(primary_key=True)
    #: e.g. `provider:ca:quota`
    key: Mapped[str]
    brief: Mapped[str]
    detail: Mapped[str] = mapped_column(server_default="")
    remedy: Mapped[str] = mapped_column(server_default="")
    opened_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    count: Mapped[int] = mapped_column(server_default="1")
    #: when the webhook was told
    told_at: Mapped[datetime | None]


class HeartRow(Base):
    """The last sign of life of each loop, and what it last did."""

    __tablename__ = "hearts"

    #: listener, worker, reconcile, web …
    name: Mapped[str] = mapped_column(String, primary_key=True)
    beat_at: Mapped[datetime]
    #: since when it gives signs without a break; see rules/absence.py
    since: Mapped[datetime] = mapped_column(server_default=func.now())
    detail: Mapped[str] = mapped_column(server_default="")


class WatermarkRow(Base):
    """Up to when a thing was surely looked at, such as the open changes in Gerrit."""

    __tablename__ = "watermarks"

    name: Mapped[str] = mapped_column(String, primary_key=True)
    at: Mapped[datetime]
    #: what it holds for, e.g. a digest of the triggers
    note: Mapped[str] = mapped_column(server_default="")


class SwitchRow(Base):
    """A switch that an operator sets and that survives a restart, such as `reports_paused`."""

    __tablename__ = "switches"

    name: Mapped[str] = mapped_column(String, primary_key=True)
    value: Mapped[dict[str, Any]]
    set_by: Mapped[str]
    set_at: Mapped[datetime]


class ActionRow(Base):
    """What an operator did: the audit."""

    __tablename__ = "actions"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    who: Mapped[str]
    what: Mapped[str]
    reason: Mapped[str] = mapped_column(server_default="")
