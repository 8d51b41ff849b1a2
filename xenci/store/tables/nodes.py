"""Tables of nodes and of the clouds that they come from."""

from datetime import datetime
from typing import Any

from sqlalchemy import String, func
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from xenci.store.tables.metadata import Base


class NodeRow(Base):
    """A server that becomes a Xen host. A retry on another provider is a new node."""

    __tablename__ = "nodes"

    id: Mapped[int] = mapped_column(primary_key=True)
    #: `SYSTEM-NODE-NNNNNN`: the server's name
    name: Mapped[str] = mapped_column(unique=True)
    label: Mapped[str]
    provider: Mapped[str]
    #: NodeState
    state: Mapped[str] = mapped_column(index=True)
    #: a sentence about why it is in this state
    reason: Mapped[str] = mapped_column(server_default="")
    server_id: Mapped[str | None]
    #: name of the image that it is launched from; NULL while nobody has asked for it
    image: Mapped[str | None]
    #: availability zone that was asked for
    zone: Mapped[str | None]
    #: when the cloud was first asked for the server; NULL while nobody has asked
    asked_at: Mapped[datetime | None]
    address: Mapped[str | None]
    #: SSH host key that the console told, `ssh-ed25519 AAAA…`
    host_key: Mapped[str | None]
    #: LaunchFailure, if the launch failed, and when
    failure: Mapped[str | None]
    failed_at: Mapped[datetime | None]
    #: facts proved when it became ready: xl info, libvirt's version and URI
    facts: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))
    #: the build that it runs or ran; one use per node
    build_id: Mapped[int | None]
    #: the node image that is made on it or tried with it; it runs no build then
    image_id: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)
    active_at: Mapped[datetime | None]
    #: LaunchFailure that it is if it stays ACTIVE without an address; NULL unless it is so
    no_address: Mapped[str | None]
    ssh_at: Mapped[datetime | None]
    ready_at: Mapped[datetime | None]
    state_at: Mapped[datetime] = mapped_column(server_default=func.now())
    #: when the cloud first listed its servers without this one; NULL while it lists it
    missing_at: Mapped[datetime | None]
    #: when the cloud was last asked to delete the server
    delete_asked_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]


class ProviderRow(Base):
    """What a provider last told: whether it answers, how many servers of ours it has and how many we may have."""

    __tablename__ = "providers"

    #: the provider's name in our configuration
    name: Mapped[str] = mapped_column(String, primary_key=True)
    #: when it was last asked for the list of its servers, by whatever process
    asked_at: Mapped[datetime | None]
    #: when it was last asked for what is there besides servers
    swept_at: Mapped[datetime | None]
    #: when it last listed its servers
    listed_at: Mapped[datetime | None]
    #: servers of ours in that list
    servers: Mapped[int] = mapped_column(server_default="0")
    #: servers that its quota lets us have, with those that we have; NULL if it names no limit
    quota: Mapped[int | None]
    #: when its limits were last read
    limits_at: Mapped[datetime | None]
    #: since when it does not answer; NULL while it does
    failing_since: Mapped[datetime | None]
    #: the last error, in a sentence, and what to do about it
    error: Mapped[str] = mapped_column(server_default="")
    remedy: Mapped[str] = mapped_column(server_default="")
