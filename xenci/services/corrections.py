"""Puts right what a node's server does not say yet: the build that claimed it, its floating address."""

from collections.abc import Iterable
from functools import partial

import structlog

from xenci.errors import XenciError
from xenci.model.node import LaunchFailure, NodeState, Server
from xenci.providers.port import Provider, QuotaExceeded
from xenci.rules.nodes import BUILD_KEY, NO_ADDRESS
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
        _note_no_address(ctx, node, LaunchFailure.NETWORK, NO_ADDRESS)
    except XenciError as error:
        _LOG.warning("node.not_put_right", node=node, provider=provider.name, error=error.sentence)
        failure = LaunchFailure.QUOTA if isinstance(error, QuotaExceeded) else LaunchFailure.NETWORK
        _note_no_address(ctx, node, failure, f"waits for a floating IP: {error.sentence}")


def _note_no_address(ctx: Context, node: int, failure: LaunchFailure, reason: str) -> None:
    with ctx.database.session() as session:
        row = locked(session, node)
        if row is not None and row.state == NodeState.BUILDING and row.active_at is None:
            row.no_address, row.reason = failure, reason[:1000]
