"""What of ours a cloud holds that no row accounts for, and when it may be deleted.

The cloud is listed before the rows are read, so what has no row is nothing that is being made just now. Only what
carries our system id comes here at all; and nothing is deleted that was not seen twice and is not older than a grace.
"""

import hashlib
from collections.abc import Iterable, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from xenci.model.leftover import Kind, Leftover
from xenci.model.node import Server
from xenci.rules.nodes import Node, identity_of

#: looks that must have seen a thing before it is deleted
LOOKS = 2
#: alarms about sweeps of a provider: before its name
SWEEP = "sweep:"
#: how long a thing without a row is left alone: after it was first seen, and after it was made
GRACE = {
    Kind.SERVER: timedelta(minutes=2),
    # the cloud itself takes those of a deleted server away, in its own time
    Kind.PORT: timedelta(minutes=5),
    Kind.FLOATING_IP: timedelta(minutes=5),
    Kind.VOLUME: timedelta(minutes=5),
    Kind.KEYPAIR: timedelta(minutes=5),
    # an upload takes its time, and is expensive to lose
    Kind.IMAGE: timedelta(hours=1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the rows and the configuration account for on one provider."""

    #: servers of live nodes, whatever provider their rows name
    servers: Set[str]
    #: the key pair in use
    keypair: str
    #: ids of snapshots that a row accounts for
    images: Set[str] = frozenset()
    #: names of images that the configuration names, never ours to delete, and of snapshots that are being made
    image_names: Set[str] = frozenset()


def keypair_name(system: str, public_key: str) -> str:
    """Return the name of our key pair: another key is another pair, so nothing is replaced while it is in use."""
    return f"xenci-{system.replace('.', '_')}-{hashlib.sha256(public_key.encode()).hexdigest()[:12]}"


def unaccounted(things: Iterable[Leftover], known: Known) -> list[Leftover]:
    """Return what no row accounts for. `things` carry our system id and were listed before `known` was read."""
    return [thing for thing in things if not _is_known(thing, known)]


def of_nobody(servers: Iterable[Server], nodes: Iterable[Node]) -> list[Server]:
    """Return the servers that no live node accounts for, whatever provider its row names.

    Two names may mean one cloud, and a provider may have got another name since. `nodes` are those of all providers.
    """
    ids, unborn = set(), []
    for node in nodes:
        if node.server_id is not None:
            ids.add(node.server_id)
        else:
            unborn.append(identity_of(node.name, node.created_at).items())
    return [
        server
        for server in servers
        if server.id not in ids and not any(identity <= server.metadata.items() for identity in unborn)
    ]


def is_to_be_deleted(thing: Leftover, *, first_seen_at: datetime, times: int, at: datetime) -> bool:
    """Tell whether a thing that no row accounts for was seen often and long enough, and is old enough."""
    grace = GRACE[thing.kind]
    made_at = thing.created_at or first_seen_at
    return times >= LOOKS and at - first_seen_at >= grace and at - made_at >= grace


def of_server(server: Server) -> Leftover:
    """Return a server as the thing that it is if no row accounts for it."""
    return Leftover(kind=Kind.SERVER, id=server.id, name=server.name, created_at=server.created_at)


def _is_known(thing: Leftover, known: Known) -> bool:
    match thing.kind:
        case Kind.KEYPAIR:
            return thing.id == known.keypair
        case Kind.IMAGE:
            return thing.id in known.images or thing.name in known.image_names
        case _:
            return thing.server_id in known.servers
