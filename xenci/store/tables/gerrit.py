"""Tables of what Gerrit told: changes, patch sets, events, comments that matter."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint, func
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column, relationship

from xenci.store.tables.metadata import Base

if TYPE_CHECKING:
    from xenci.store.tables.builds import BuildsetRow


class ChangeRow(Base):
    """A change in Gerrit."""

    __tablename__ = "changes"

    id: Mapped[int] = mapped_column(primary_key=True)
    #: Gerrit's number
    number: Mapped[int] = mapped_column(unique=True)
    project: Mapped[str]
    branch: Mapped[str]
    #: Change-Id of the commit message
    key: Mapped[str]
    subject: Mapped[str]
    owner: Mapped[str] = mapped_column(server_default="")
    #: NEW MERGED ABANDONED
    status: Mapped[str] = mapped_column(server_default="NEW")
    wip: Mapped[bool] = mapped_column(server_default=sql("false"))
    private: Mapped[bool] = mapped_column(server_default=sql("false"))
    topic: Mapped[str] = mapped_column(server_default="")
    url: Mapped[str] = mapped_column(server_default="")
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())

    patchsets: Mapped[list["PatchsetRow"]] = relationship(back_populates="change", order_by="PatchsetRow.number")


class PatchsetRow(Base):
    """A patch set, and what became of it: `not_run` says in a sentence why nothing runs for it."""

    __tablename__ = "patchsets"
    __table_args__ = (UniqueConstraint("change_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    change_id: Mapped[int] = mapped_column(ForeignKey("changes.id"))
    number: Mapped[int]
    sha: Mapped[str]
    ref: Mapped[str]
    kind: Mapped[str] = mapped_column(server_default="REWORK")
    files: Mapped[list[Any]] = mapped_column(server_default=sql("'[]'"))
    uploaded_at: Mapped[datetime]
    #: why no pipeline runs it, e.g. "only documentation files"; NULL if one does
    not_run: Mapped[str | None]
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())

    change: Mapped[ChangeRow] = relationship(back_populates="patchsets")
    buildsets: Mapped[list["BuildsetRow"]] = relationship(back_populates="patchset", order_by="BuildsetRow.id")


class EventRow(Base):
    """A line of the event stream, or a finding of the reconciliation, and what became of it."""

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_received_at", "received_at"),
        Index("ix_events_unanswered", "change", postgresql_where=sql("outcome IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    received_at: Mapped[datetime]
    #: FoundBy
    source: Mapped[str]
    #: Gerrit's event type
    type: Mapped[str]
    payload: Mapped[dict[str, Any]]
    #: the change's number, if the event tells one
    change: Mapped[int | None] = mapped_column(index=True)
    patchset: Mapped[int | None]
    #: what became of it, in a sentence; NULL until it was handled
    outcome: Mapped[str | None]


class CommentRow(Base):
    """A message in Gerrit that matters: one that asks for a run, or one of our own."""

    __tablename__ = "comments"
    __table_args__ = (UniqueConstraint("change", "message_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    change: Mapped[int] = mapped_column(index=True)
    patchset: Mapped[int]
    message_id: Mapped[str]
    author: Mapped[str]
    posted_at: Mapped[datetime]
    #: `recheck` or `ours`
    kind: Mapped[str]
    text: Mapped[str]
    #: whether the patch set was current and the change open when it was read
    is_eligible: Mapped[bool] = mapped_column(server_default=sql("true"))
