"""Tables of what people want of the pool: overrides, holds, automatic holds, and the tokens that let them say so."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, func
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column, relationship

from xenci.store.tables.metadata import Base
from xenci.store.tables.nodes import NodeRow


class OverrideRow(Base):
    """An operator's word that wins over the configuration until it is taken back."""

    __tablename__ = "overrides"

    #: OverrideKind
    kind: Mapped[str] = mapped_column(String, primary_key=True)
    #: the provider or label
    name: Mapped[str] = mapped_column(String, primary_key=True)
    value: Mapped[int] = mapped_column(server_default="0")
    reason: Mapped[str] = mapped_column(server_default="")
    set_by: Mapped[str]
    set_at: Mapped[datetime]


class AutoholdRow(Base):
    """A standing wish: the next nodes on which something ends so are held. It ends when its count is used up."""

    __tablename__ = "autoholds"

    id: Mapped[int] = mapped_column(primary_key=True)
    #: the job whose builds are meant; NULL for launches
    job: Mapped[str | None]
    #: the label whose launches are meant; NULL for builds
    label: Mapped[str | None]
    #: the change whose builds alone are meant
    change: Mapped[int | None]
    #: Result names, or LaunchFailure names for launches
    endings: Mapped[list[Any]]
    #: nodes that it still holds
    left: Mapped[int]
    owner: Mapped[str]
    reason: Mapped[str]
    #: how long each node is held
    seconds: Mapped[int]
    public_key: Mapped[str | None]
    made_by: Mapped[str]
    made_at: Mapped[datetime] = mapped_column(server_default=func.now())
    #: when its count was used up or it was taken back
    ended_at: Mapped[datetime | None]


class HoldRow(Base):
    """A node that is kept for a person, or is to be kept once its build or launch has ended."""

    __tablename__ = "holds"
    __table_args__ = (Index("ux_holds_open", "node_id", unique=True, postgresql_where=sql("ended_at IS NULL")),)

    id: Mapped[int] = mapped_column(primary_key=True)
    node_id: Mapped[int] = mapped_column(ForeignKey("nodes.id"))
    #: the automatic hold that it comes from
    autohold_id: Mapped[int | None] = mapped_column(ForeignKey("autoholds.id"))
    owner: Mapped[str]
    reason: Mapped[str]
    made_by: Mapped[str]
    made_at: Mapped[datetime] = mapped_column(server_default=func.now())
    #: how long the node is held, from the moment on when it is
    seconds: Mapped[int]
    #: when its build or launch had ended, and until when it is held from then on
    began_at: Mapped[datetime | None]
    until: Mapped[datetime | None]
    #: the owner's key; since when it is on the node, NULL while it is not; when that was last tried, and what it met
    public_key: Mapped[str | None]
    key_at: Mapped[datetime | None]
    key_tried_at: Mapped[datetime | None]
    key_error: Mapped[str] = mapped_column(server_default="")
    #: whether a key of this hold may be on the node, this owner's or a former one's; set before one is put there
    may_have_key: Mapped[bool] = mapped_column(server_default=sql("false"))
    #: when it was released or ran out, and who or what did
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str] = mapped_column(server_default="")

    node: Mapped[NodeRow] = relationship()


class TokenRow(Base):
    """A key to the actions on the pages. Only its hash is here."""

    __tablename__ = "tokens"
    __table_args__ = (Index("ux_tokens_name", "name", unique=True, postgresql_where=sql("revoked_at IS NULL")),)

    id: Mapped[int] = mapped_column(primary_key=True)
    #: whom it was given to: the name in the audit
    name: Mapped[str]
    #: SHA-256 of the token, in hex
    digest: Mapped[str] = mapped_column(unique=True)
    made_by: Mapped[str]
    made_at: Mapped[datetime] = mapped_column(server_default=func.now())
    revoked_at: Mapped[datetime | None]
