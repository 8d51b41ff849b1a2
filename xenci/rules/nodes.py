"""What the cloud's list means for our nodes, and when a launch has failed.

The cloud is listed before the rows are read, so a server without a row is never one that was created meanwhile; and a
node counts as missing only if its server was known before the list was asked for. Still nobody is deleted or given up
on one look: a list may lack what a part of the cloud did not tell.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from xenci.model.node import LaunchFailure, NodeState, Server
from xenci.rules.absence import is_past

#: metadata keys of a server: the node's name, and when its row was made, lest another database's node is taken for it
NODE_KEY = "xenci_node"
MADE_KEY = "xenci_made_at"
#: its label, and once it is claimed the build's id: what a row says can be read from the cloud's list alone
LABEL_KEY = "xenci_label"
BUILD_KEY = "xenci_build"
#: a server that its cloud does not list for so long is gone
MISSING_FOR = timedelta(minutes=1)
#: a create call that we lost sight of has shown its server within this time
SETTLED = timedelta(minutes=2)
#: shortest and longest pause until a console that has no host key yet is read again
_CONSOLE_SOON, _CONSOLE_LATE = timedelta(seconds=3), timedelta(seconds=10)
#: how often a deletion is asked for
ASK_AGAIN = timedelta(seconds=30)

#: why a server that runs is not met yet
NO_ADDRESS = "the server is ACTIVE and has no address yet"

#: words of Nova and Neutron for: no port, or no address
_NETWORK_WORDS = (
    "no fixed ip",
    "no more ip addresses",
    "ip address generation failure",
    "binding failed",
    "allocate the network",
    "allocate network",
)
#: a server in one of these is no machine that runs
_DOWN = frozenset({"ERROR", "SHUTOFF", "DELETED", "SOFT_DELETED"})
#: of these, those of a server that is still listed for a moment
_DELETED = frozenset({"DELETED", "SOFT_DELETED"})
LAUNCHING = frozenset({NodeState.BUILDING, NodeState.TESTING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node as the rules see it."""

    id: int
    name: str
    label: str
    provider: str
    state: NodeState
    reason: str = ""
    server_id: str | None = None
    created_at: datetime
    active_at: datetime | None = None
    #: what it is if it stays ACTIVE without an address; None unless it is so
    no_address: LaunchFailure | None = None
    ssh_at: datetime | None = None
    ready_at: datetime | None = None
    #: when it came into its state
    state_at: datetime
    #: when the cloud's list first lacked it
    missing_at: datetime | None = None
    #: an image is made on it or tried with it: it takes a place of its cloud and serves no build
    is_for_image: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """How long each part of a launch may take."""

    boot: timedelta
    ssh: timedelta
    xen: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The cloud has the node's server, and it is well so far."""

    node: int
    server: Server


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The launch failed."""

    node: int
    failure: LaunchFailure
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A node that was launched is no machine any more; its server may still be there."""

    node: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """The cloud's list lacks the node's server for the first time."""

    node: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """The cloud has no such server any more."""

    node: int
    #: empty if its deletion was asked for
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """A server of ours that no row accounts for."""

    server: Server


OfNode = Seen | Failed | Lost | Missing | Gone
Finding = OfNode | Stray


def server_name(system: str, node_id: int) -> str:
    """Return the name of a node and its server."""
    return f"{system}-node-{node_id:06d}"


def no_longer_configured(label: str) -> str:
    """Return why a node of a label that left the configuration is given up."""
    return f"the label {label} is no longer configured"


def identity_of(name: str, made_at: datetime) -> dict[str, str]:
    """Return the metadata by which a node's server is found again if we die before we know its id."""
    return {NODE_KEY: name, MADE_KEY: made_at.isoformat()}


def metadata_of(name: str, made_at: datetime, label: str) -> dict[str, str]:
    """Return what is written on a node's server when it is asked for."""
    return identity_of(name, made_at) | {LABEL_KEY: label}


def compare(
    *, before: Mapping[int, str | None], servers: Iterable[Server], nodes: Iterable[Node], at: datetime
) -> list[Finding]:
    """Compare a cloud's list with the rows of its live nodes.

    `before` are the server ids by node as they were known before the list was asked for, `nodes` are read after it.
    """
    by_id = {server.id: server for server in servers}
    by_name: dict[str, list[Server]] = {}
    for server in by_id.values():
        by_name.setdefault(server.metadata.get(NODE_KEY, ""), []).append(server)
    findings: list[Finding] = []
    for node in nodes:
        found = _server_of(node, by_id, by_name.get(node.name, []))
        if found is not None:
            del by_id[found.id]
            findings.append(_present(node, found))
        elif node.server_id is not None and before.get(node.id) == node.server_id:
            findings.append(_absent(node, at))
        elif node.server_id is None and node.state is NodeState.DELETING and at - node.state_at > SETTLED:
            findings.append(Gone(node=node.id))
    return findings + [Stray(server=server) for server in by_id.values()]


def failure_of(fault: str) -> LaunchFailure:
    """Return the kind of failure that the cloud's words about a server in ERROR mean."""
    words = fault.lower()
    if "quota" in words:
        return LaunchFailure.QUOTA
    if any(word in words for word in _NETWORK_WORDS):
        return LaunchFailure.NETWORK
    if "no valid host" in words or "insufficient" in words:
        return LaunchFailure.CAPACITY
    return LaunchFailure.BOOT


def console_pause(active_at: datetime, at: datetime) -> timedelta:
    """Return how long to wait for more of a console: a quarter of what its server has taken since it is ACTIVE.

    So a machine that boots in seconds is met at once, and one that takes minutes costs its cloud few calls.
    """
    return min(max((at - active_at) / 4, _CONSOLE_SOON), _CONSOLE_LATE)


def lateness(node: Node, deadlines: Deadlines, at: datetime, back_at: datetime | None = None) -> Failed | None:
    """Return the failure of a launch that is past the deadline of the part it is in.

    `back_at` is since when nodes are looked at without a break.
    """
    if node.state not in LAUNCHING:
        return None
    if node.active_at is None and node.no_address is not None:
        since, limit, failure, what = node.created_at, deadlines.boot, node.no_address, "it has no address"
    elif node.active_at is None:
        since, limit, failure, what = node.created_at, deadlines.boot, LaunchFailure.BOOT, "the server is not ACTIVE"
    elif node.ssh_at is None:
        since, limit, failure, what = node.active_at, deadlines.ssh, LaunchFailure.SSH, "SSH does not answer"
    else:
        since, limit, failure, what = node.ssh_at, deadlines.xen, LaunchFailure.XEN, "it is not proved to be a Xen host"
    if not is_past(since + limit, at, back_at):
        return None
    last = f"; last: {node.reason}" if node.reason else ""
    return Failed(node=node.id, failure=failure, reason=f"{what} after {limit.total_seconds():g} s{last}")


def _server_of(node: Node, by_id: Mapping[str, Server], named: Iterable[Server]) -> Server | None:
    if node.server_id is not None:
        return by_id.get(node.server_id)
    identity = identity_of(node.name, node.created_at).items()
    found = [server for server in named if server.id in by_id and identity <= server.metadata.items()]
    return min(found, key=lambda server: server.created_at, default=None)


def _present(node: Node, server: Server) -> Finding:
    if server.status not in _DOWN or node.state in (NodeState.DELETING, NodeState.USED, NodeState.HOLD):
        return Seen(node=node.id, server=server)
    words = f"the server is {server.status}" + (f": {server.fault}" if server.fault else "")
    if server.status in _DELETED:
        words = _vanished(node)
    if node.state in LAUNCHING:
        return Failed(node=node.id, failure=failure_of(server.fault), reason=words)
    return Lost(node=node.id, reason=words)


def _absent(node: Node, at: datetime) -> Finding:
    if node.state is NodeState.DELETING:
        return Gone(node=node.id)
    if node.missing_at is None or at - node.missing_at < MISSING_FOR:
        # a cloud that has lost a part of itself for a moment answers, without those servers
        return Missing(node=node.id)
    return Gone(node=node.id, reason=_vanished(node))


def _vanished(node: Node) -> str:
    return f"the server vanished from {node.provider}: not deleted by us"
