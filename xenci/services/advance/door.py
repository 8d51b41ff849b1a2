"""The way from a build to its node."""

from contextlib import AbstractContextManager

from xenci.host.port import Host, HostLost
from xenci.services.advance.work import Work
from xenci.services.context import Context


def on_node(ctx: Context, work: Work) -> AbstractContextManager[Host]:
    """Lend the connection to the build's node."""
    node = work.node
    if not (node.address and node.host_key):
        raise HostLost(f"node {node.name} has no address or host key")
    label = work.label
    return ctx.hosts.host(node.address, user=label.ssh_user, host_key=node.host_key, port=label.ssh_port)
