"""Tables of what is known of clouds besides nodes: what no row accounts for, and what was asked of their APIs."""

from datetime import datetime

from sqlalchemy import BigInteger, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from xenci.store.tables.metadata import Base


class StrayRow(Base):
    """A thing that carries our system id and that no row accounts for; deleted once seen twice and old enough."""

    __tablename__ = "strays"
    __table_args__ = (UniqueConstraint("provider", "kind", "cloud_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    provider: Mapped[str]
    #: Kind
    kind: Mapped[str] = mapped_column(server_default="server")
    #: the cloud's id of it
    cloud_id: Mapped[str]
    name: Mapped[str]
    first_seen_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    #: looks that saw it
    times: Mapped[int] = mapped_column(server_default="1")
    deleted_at: Mapped[datetime | None]


class ApiCallRow(Base):
    """How often one kind of request was made to a cloud's API, by all processes together."""

    __tablename__ = "api_calls"

    provider: Mapped[str] = mapped_column(String, primary_key=True)
    #: method of the provider's port that made it: list, create ..
    call: Mapped[str] = mapped_column(String, primary_key=True)
    #: HTTP method and address without ids
    request: Mapped[str] = mapped_column(String, primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
