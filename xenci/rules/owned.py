"""What can be said of a node from the cloud's list alone, should its row be lost."""

from dataclasses import dataclass
from datetime import UTC, datetime

from xenci.model.node import Server
from xenci.rules.nodes import BUILD_KEY, LABEL_KEY, MADE_KEY, NODE_KEY


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """A node as its server tells it; what the server does not tell is empty or None."""

    provider: str
    server_id: str
    status: str
    address: str | None
    #: the node's name, and the number in it
    name: str
    number: int | None
    label: str
    #: the build that claimed it
    build: int | None
    #: when its row was made
    made_at: datetime | None


def owned(server: Server) -> Owned:
    """Read a node from the metadata of its server. What somebody has spoiled there reads as nothing."""
    metadata = server.metadata
    name = metadata.get(NODE_KEY, "")
    return Owned(
        provider=server.provider,
        server_id=server.id,
        status=server.status,
        address=server.address,
        name=name,
        number=_number(name.rpartition("-node-")[2]),
        label=metadata.get(LABEL_KEY, ""),
        build=_number(metadata.get(BUILD_KEY, "")),
        made_at=_moment(metadata.get(MADE_KEY, "")),
    )


def _number(words: str) -> int | None:
    return int(words) if words.isascii() and words.isdigit() else None


def _moment(words: str) -> datetime | None:
    try:
        return datetime.fromisoformat(words).astimezone(UTC)
    except ValueError:
        return None
