"""Nodes: the servers that become Xen hosts."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class NodeState(StrEnum):
    """Where a node stands."""

    #: asked of the cloud; not ACTIVE, or SSH does not answer yet
    BUILDING = "building"
    #: SSH answers; Xen is being proved
    TESTING = "testing"
    #: a verified Xen host that waits for a build
    READY = "ready"
    #: runs a build
    IN_USE = "in-use"
    #: a build has ended on it; to be deleted
    USED = "used"
    #: kept for a person
    HOLD = "hold"
    #: the cloud was asked to delete it
    DELETING = "deleting"
    #: gone; the row is history
    DELETED = "deleted"


#: States in which a server exists or may exist.
LIVE_STATES = frozenset(NodeState) - {NodeState.DELETED}


class LaunchFailure(StrEnum):
    """Why a launch failed; the breaker and the pages count by it."""

    #: the project's quota is full: it waits
    QUOTA = "quota"
    #: the cloud has no room
    CAPACITY = "capacity"
    #: the cloud's API does not answer as it should
    API = "api"
    #: the server ended in ERROR, or did not become ACTIVE in time
    BOOT = "boot"
    #: the server got no port or no address
    NETWORK = "network"
    #: the server runs and SSH does not answer
    SSH = "ssh"
    #: it was not proved to be a Xen host
    XEN = "xen"
    #: the configuration names what the cloud does not have
    CONFIG = "config"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What a flavor must have at least."""

    #: GB of RAM, of 1024 MB
    ram_gb: float
    vcpus: int

    def __str__(self) -> str:
        return f"{self.ram_gb:g} GB RAM and {self.vcpus} vCPU"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server as the cloud tells it."""

    #: the provider's name in our configuration
    provider: str
    #: the cloud's id
    id: str
    name: str
    #: Nova's status: BUILD ACTIVE ERROR SHUTOFF DELETED ..
    status: str
    #: IPv4 address by which it is reached (the floating one, if the provider gives such), or None while it has none
    address: str | None
    #: metadata on the server; ours says to which system, node, label and build it belongs
    metadata: dict[str, str]
    created_at: datetime
    #: availability zone; empty while the cloud has not chosen one
    zone: str = ""
    #: the cloud's words when status is ERROR
    fault: str = ""
