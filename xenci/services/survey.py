"""Lists one cloud and writes down what that means for our nodes: found, ACTIVE, failed, vanished, stray.

One list call serves all nodes of a provider. The ids that are known are read before it and the rows after it: so a
server that is missing was there to be listed, and one without a row is not being created just now.
"""

import zlib
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from xenci.errors import XenciError
from xenci.model.node import NodeState, Server
from xenci.providers.port import Limits, Provider
from xenci.rules import nodes as rules
from xenci.services.context import Context
from xenci.services.engine import nudge
from xenci.services.fence import fenced
from xenci.services.node_rows import as_node, change, fail, live_nodes
from xenci.store.tables import NodeRow, ProviderRow, StrayRow

_LOG = structlog.get_logger()
#: first number of the advisory locks of surveys: "list"
_LOCK = 0x6C697374
#: a cloud is listed no more often, whoever asks
LIST_EVERY = timedelta(seconds=4)
LIMITS_EVERY = timedelta(seconds=30)


def survey(ctx: Context, name: str) -> None:
    """List one provider, unless that was just done or is being done. Repeatable; a cloud's failure ends up in a row."""
    with fenced(ctx.database, _LOCK, zlib.crc32(name.encode()) & 0x7FFFFFFF) as is_mine:
        if is_mine:
            _survey(ctx, ctx.providers[name])


def _survey(ctx: Context, provider: Provider) -> None:
    at = ctx.clock()
    with ctx.database.session() as session:
        row = _provider_row(session, provider.name)
        if row.listed_at is not None and timedelta() <= at - row.listed_at < LIST_EVERY:
            return
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
        found = rules.compare(before=before, servers=servers, nodes=map(as_node, rows.values()), at=ctx.clock())
        for finding in found:
            match finding:
                case rules.Stray(server=server):
                    strays.append(server)
                case _:
                    _apply(ctx, session, rows[finding.node], finding)
        condemned = _note_strays(session, provider.name, strays, ctx.clock())
    for server in condemned:
        _delete_stray(provider, server)


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
        row.active_at = at
        row.reason = "the server is ACTIVE; waits for SSH"
        nudge(session, "node", row.id)
    elif row.state == NodeState.BUILDING and server.status == "ACTIVE" and not server.address:
        row.reason = rules.NO_ADDRESS


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


def _note_strays(session: Session, provider: str, servers: list[Server], at: datetime) -> list[Server]:
    """Write down the strays that were seen; return those to be deleted now."""
    known = {
        row.server_id: row
        for row in session.scalars(
            select(StrayRow).where(StrayRow.provider == provider, StrayRow.deleted_at.is_(None)).with_for_update()
        )
    }
    condemned = []
    for server in servers:
        row = known.pop(server.id, None)
        if row is None:
            # one that was thought gone is seen for the first time again
            session.execute(
                insert(StrayRow)
                .values(provider=provider, server_id=server.id, name=server.name, first_seen_at=at, seen_at=at, times=1)
                .on_conflict_do_update(
                    index_elements=[StrayRow.provider, StrayRow.server_id],
                    set_={"first_seen_at": at, "seen_at": at, "times": 1, "deleted_at": None},
                )
            )
            _LOG.warning("stray.seen", provider=provider, server=server.id, name=server.name)
            continue
        row.times += 1
        row.seen_at = at
        if rules.is_stray_to_be_deleted(first_seen_at=row.first_seen_at, times=row.times, server=server, at=at):
            condemned.append(server)
    for row in known.values():
        row.deleted_at = at
    return condemned


def _delete_stray(provider: Provider, server: Server) -> None:
    try:
        provider.delete(server.id)
    except XenciError as error:
        _LOG.warning("stray.not_deleted", provider=provider.name, server=server.id, error=error.sentence)
    else:
        _LOG.warning("stray.deleted", provider=provider.name, server=server.id, name=server.name)
