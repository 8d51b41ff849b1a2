"""Lists one cloud and writes down what that means for our nodes: found, ACTIVE, failed, vanished, stray.

One list call serves all nodes of a provider, whichever process makes it. The ids that are known are read before it and
the rows after it: so a server that is missing was there to be listed, and one without a row is not being created just
now. What a row knows and its server does not say yet (its build, its address) is put right here too.
"""

import zlib
from datetime import datetime, timedelta

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from xenci.errors import XenciError
from xenci.model.leftover import Kind
from xenci.model.node import LaunchFailure, NodeState, Server
from xenci.providers.port import Limits, Provider, QuotaExceeded
from xenci.rules import leaks
from xenci.rules import nodes as rules
from xenci.services.api_calls import note_calls
from xenci.services.context import Context
from xenci.services.engine import nudge
from xenci.services.fence import fenced
from xenci.services.node_rows import as_node, change, fail, live_nodes, locked
from xenci.services.strays import delete_strays, note_strays
from xenci.services.sweep import sweep
from xenci.store.tables import NodeRow, ProviderRow

_LOG = structlog.get_logger()
#: first number of the advisory locks of surveys: "list"
_LOCK = 0x6C697374
#: a cloud is listed no more often, whoever asks, whether it answers or not
LIST_EVERY = timedelta(seconds=5)
LIMITS_EVERY = timedelta(seconds=30)


def survey(ctx: Context, name: str) -> None:
    """List one provider, unless that was just done or is being done. Repeatable; a cloud's failure ends up in a row."""
    with fenced(ctx.database, _LOCK, zlib.crc32(name.encode()) & 0x7FFFFFFF) as is_mine:
        if is_mine:
            try:
                _survey(ctx, ctx.providers[name])
                sweep(ctx, ctx.providers[name])
            finally:
                note_calls(ctx)


def _survey(ctx: Context, provider: Provider) -> None:
    at = ctx.clock()
    with ctx.database.session() as session:
        row = _provider_row(session, provider.name)
        # as far off in the future: another machine's clock
        if row.asked_at is not None and abs(at - row.asked_at) < LIST_EVERY:
            return
        row.asked_at = at
        are_limits_due = row.limits_at is None or not timedelta() <= at - row.limits_at < LIMITS_EVERY
        before = {node.id: node.server_id for node in live_nodes(session, provider.name)}
    try:
        limits = provider.limits() if are_limits_due else None
        servers = provider.list()
    except XenciError as error:
        with ctx.database.session() as session:
            _note_failure(_provider_row(session, provider.name), error, at)
        _LOG.warning("provider.failed", provider=provider.name, error=error.sentence)
        return
    with ctx.database.session() as session:
        _note_success(_provider_row(session, provider.name), servers, limits, ctx.clock())
        rows = {row.id: row for row in live_nodes(session, provider.name, lock=True)}
        strays: list[Server] = []
        seen: list[tuple[NodeRow, Server]] = []
        found = rules.compare(before=before, servers=servers, nodes=map(as_node, rows.values()), at=ctx.clock())
        for finding in found:
            match finding:
                case rules.Stray(server=server):
                    strays.append(server)
                case _:
                    _apply(ctx, session, rows[finding.node], finding)
            if isinstance(finding, rules.Seen):
                seen.append((rows[finding.node], finding.server))
        things = [leaks.of_server(server) for server in strays]
        condemned = note_strays(session, provider.name, things, kinds={Kind.SERVER}, at=ctx.clock())
        wanted = _wanted(ctx, seen)
    for node, server_id, metadata in wanted:
        _put_right(ctx, provider, node, server_id, metadata)
    delete_strays(provider, condemned)


def _wanted(ctx: Context, seen: list[tuple[NodeRow, Server]]) -> list[tuple[int, str, dict[str, str]]]:
    """Return the nodes whose servers lack the build that claimed them, or (no metadata told) an address."""
    floating = {p.name for p in ctx.settings.providers if p.floating_network}
    wanted = []
    for row, server in seen:
        if server.status != "ACTIVE":
            # Nova writes nothing on any other
            continue
        build = {rules.BUILD_KEY: str(row.build_id)} if row.build_id is not None else {}
        if not build.items() <= server.metadata.items():
            wanted.append((row.id, server.id, build))
        needs_address = server.address is None and row.provider in floating
        if needs_address and row.state == NodeState.BUILDING:
            wanted.append((row.id, server.id, {}))
    return wanted


def _put_right(ctx: Context, provider: Provider, node: int, server_id: str, metadata: dict[str, str]) -> None:
    """Write a server's build on it, or give it an address; what fails is tried again at the next survey."""
    try:
        if metadata:
            provider.mark(server_id, metadata)
        else:
            provider.give_address(server_id)
            _note_no_address(ctx, node, LaunchFailure.NETWORK, rules.NO_ADDRESS)
    except XenciError as error:
        _LOG.warning("node.not_put_right", node=node, provider=provider.name, error=error.sentence)
        if not metadata:
            failure = LaunchFailure.QUOTA if isinstance(error, QuotaExceeded) else LaunchFailure.NETWORK
            _note_no_address(ctx, node, failure, f"waits for a floating IP: {error.sentence}")


def _note_no_address(ctx: Context, node: int, failure: LaunchFailure, reason: str) -> None:
    with ctx.database.session() as session:
        row = locked(session, node)
        if row is not None and row.state == NodeState.BUILDING and row.active_at is None:
            row.no_address, row.reason = failure, reason[:1000]


def _apply(ctx: Context, session: Session, row: NodeRow, finding: rules.Finding) -> None:
    at = ctx.clock()
    match finding:
        case rules.Seen(server=server):
            _see(session, row, server, at)
        case rules.Failed(failure=failure, reason=reason):
            fail(row, failure, reason, at=at)
            nudge(session, "node", row.id)
        case rules.Lost(reason=reason):
            change(row, NodeState.DELETING, reason, at=at)
            nudge(session, "node", row.id)
        case rules.Missing():
            row.missing_at = row.missing_at or at
            _LOG.warning("node.missing", node=row.name, provider=row.provider)
        case rules.Gone(reason=reason):
            if reason and row.state in rules.LAUNCHING:
                fail(row, rules.failure_of(""), reason, at=at, is_refused=True)
            else:
                change(row, NodeState.DELETED, reason or row.reason, at=at)
            if row.address:
                ctx.hosts.forget(row.address)


def _see(session: Session, row: NodeRow, server: Server, at: datetime) -> None:
    if row.server_id is None:
        row.server_id = server.id
        _LOG.info("node.server_found", node=row.name, provider=row.provider, server=server.id)
    row.missing_at = None
    row.address = server.address or row.address
    if row.state == NodeState.BUILDING and row.active_at is None and server.status == "ACTIVE" and server.address:
        row.active_at, row.no_address = at, None
        row.reason = "the server is ACTIVE; waits for SSH"
        nudge(session, "node", row.id)
    elif row.state == NodeState.BUILDING and server.status != "ACTIVE":
        row.no_address = None
    elif row.state == NodeState.BUILDING and row.no_address is None and not server.address:
        # what was met when it was to be given one says more, and stays
        row.no_address, row.reason = LaunchFailure.NETWORK, rules.NO_ADDRESS


def _provider_row(session: Session, name: str) -> ProviderRow:
    session.execute(insert(ProviderRow).values(name=name).on_conflict_do_nothing())
    return session.get_one(ProviderRow, name)


def _note_failure(row: ProviderRow, error: XenciError, at: datetime) -> None:
    row.failing_since = row.failing_since or at
    row.error, row.remedy = error.sentence[:2000], error.remedy


def _note_success(row: ProviderRow, servers: list[Server], limits: Limits | None, at: datetime) -> None:
    row.listed_at, row.servers = at, len(servers)
    row.failing_since, row.error, row.remedy = None, "", ""
    if limits is None:
        return
    row.limits_at = at
    if limits.servers is None:
        row.quota = None
    else:
        # what others use in the same project is not ours to have
        others = max(0, limits.servers_used - len(servers))
        row.quota = max(0, limits.servers - others)
