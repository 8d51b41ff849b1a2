"""Puts right what a node's server does not say yet: the build that claimed it, its floating address."""

from collections.abc import Iterable
from functools import partial

import structlog

from xenci.errors import XenciError
from xenci.model.node import NodeState, Server
from xenci.providers.port import Provider
from xenci.rules.nodes import BUILD_KEY
from xenci.services.answers import understood
from xenci.services.context import Context
from xenci.services.errands import Errand
from xenci.services.node_rows import locked
from xenci.store.tables import NodeRow

_LOG = structlog.get_logger()


def corrections(ctx: Context, provider: Provider, seen: Iterable[tuple[NodeRow, Server]]) -> list[Errand]:
    """Return the calls for servers that lack the address of a launch, or the build that claimed them."""
    floating = {p.name for p in ctx.settings.providers if p.floating_network}
    addresses, marks = [], []
    for row, server in seen:
        if server.status != "ACTIVE":
            # Nova writes nothing on any other
            continue
        if server.address is None and row.provider in floating and row.state == NodeState.BUILDING:
            give = partial(_give_address, ctx, provider, row.id, server.id)
            addresses.append(Errand(key=(provider.name, "address", server.id), run=give))
        build = str(row.build_id) if row.build_id is not None else None
        if build is not None and server.metadata.get(BUILD_KEY) != build:
            mark = partial(_mark, provider, row.id, server.id, build)
            marks.append(Errand(key=(provider.name, "mark", server.id, build), run=mark))
    # a launch waits for its address, and nobody for a mark
    return addresses + marks


def _mark(provider: Provider, node: int, server_id: str, build: str) -> None:
    try:
        with understood(provider.name):
            provider.mark(server_id, {BUILD_KEY: build})
    except XenciError as error:
        _LOG.warning("node.not_put_right", node=node, provider=provider.name, error=error.sentence)


def _give_address(ctx: Context, provider: Provider, node: int, server_id: str) -> None:
    try:
        with understood(provider.name):
            provider.give_address(server_id)
    except XenciError as error:
        _LOG.warning("node.not_put_right", node=node, provider=provider.name, error=error.sentence)
        with ctx.database.session() as session:
            row = locked(session, node)
            if row is not None and row.state == NodeState.BUILDING:
                row.reason = f"waits for a floating IP: {error.sentence}"[:1000]
