"""What a cloud may hold of ours besides servers."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """What kind of thing a cloud has."""

    SERVER = "server"
    PORT = "port"
    FLOATING_IP = "floating-ip"
    VOLUME = "volume"
    KEYPAIR = "keypair"
    IMAGE = "image"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """A thing that carries our system id; left over if no row accounts for it."""

    kind: Kind
    #: the cloud's id; a key pair's is its name
    id: str
    name: str
    #: id of the server that it belongs to, if it belongs to one
    server_id: str | None = None
    #: None where the cloud's list does not tell
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image of ours: a snapshot that we asked for."""

    #: the provider's name in our configuration
    provider: str
    #: the cloud's id
    id: str
    name: str
    #: Glance's status: queued saving active killed deleted ..; nothing but `active` may be used
    status: str
    #: what was asked to be written on it, and our system id
    properties: dict[str, str] = field(default_factory=dict)
    created_at: datetime
