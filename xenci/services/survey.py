"""Lists one cloud and writes down what that means for our nodes: found, ACTIVE, failed, vanished, stray.

One list call serves all nodes of a provider, whichever process makes it. The ids that are known are read before it and
the rows after it: so a server that is missing was there to be listed, and one without a row is not being created just
now. What a row knows and its server does not say yet (its build, its address) is put right here too.
"""

import zlib
from collections.abc import Mapping, Set
from datetime import datetime, timedelta
from typing import TypeGuard

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from xenci.errors import XenciError
from xenci.model.leftover import Kind
from xenci.model.node import LIVE_STATES, LaunchFailure, NodeState, Server
from xenci.providers.port import Limits, Provider
from xenci.rules import leaks
from xenci.rules import nodes as rules
from xenci.services.answers import understood
from xenci.services.api_calls import note_calls
from xenci.services.context import Context
from xenci.services.corrections import corrections
from xenci.services.engine import defer, nudge
from xenci.services.errands import run_errands
from xenci.services.fence import fenced
from xenci.services.node_rows import as_node, change, fail, live_nodes, locked_nodes
from xenci.services.strays import deletions, note_strays
from xenci.services.sweep import is_due, sweep
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
                if _survey(ctx, ctx.providers[name]):
                    sweep(ctx, ctx.providers[name])
            except Exception as error:  # noqa: BLE001 one catch-all per survey: the other clouds' nodes are planned
                _LOG.warning("survey.failed", provider=name, exc_info=True)
                words = f"The survey of {name} failed: {type(error).__name__}: {error}"
                _fail(ctx, name, words, "look at xenci's log for where it failed", ctx.clock())
            finally:
                note_calls(ctx)


def _survey(ctx: Context, provider: Provider) -> bool:
    """List the servers and write down what follows; tell whether a sweep is due."""
    at = ctx.clock()
    with ctx.database.session() as session:
        row = _provider_row(session, provider.name)
        # as far off in the future: another machine's clock
        if row.asked_at is not None and abs(at - row.asked_at) < LIST_EVERY:
            return False
        row.asked_at = at
        are_limits_due = row.limits_at is None or not timedelta() <= at - row.limits_at < LIMITS_EVERY
        before = {node.id: node.server_id for node in live_nodes(session, provider.name)}
    try:
        with understood(provider.name):
            # first what has its time: the next list comes five seconds after this one
            servers = provider.list()
            limits = provider.limits() if are_limits_due else None
    except XenciError as error:
        _fail(ctx, provider.name, error.sentence, error.remedy, at)
        return False
    with ctx.database.session() as session:
        row = _provider_row(session, provider.name)
        _note_success(row, servers, limits, ctx.clock())
        live = live_nodes(session)
        rows = {row.id: row for row in live if row.provider == provider.name}
        found = rules.compare(before=before, servers=servers, nodes=map(as_node, rows.values()), at=ctx.clock())
        strays = [finding.server for finding in found if isinstance(finding, rules.Stray)]
        things = [leaks.of_server(server) for server in leaks.of_nobody(strays, map(as_node, live))]
        _write(ctx, session, before, servers, {one.node for one in found if _is_news(one, rows)})
        seen = [(rows[finding.node], finding.server) for finding in found if isinstance(finding, rules.Seen)]
        condemned = note_strays(session, provider.name, things, kinds={Kind.SERVER}, at=ctx.clock())
        errands = corrections(ctx, provider, seen) + deletions(provider, condemned)
    run_errands(errands, tries=ctx.tries, clock=ctx.clock)
    return is_due(row, ctx.clock())


def _is_news(finding: rules.Finding, rows: Mapping[int, NodeRow]) -> TypeGuard[rules.OfNode]:
    """Tell whether a finding changes its node's row. The others are not locked: a build may claim them meanwhile."""
    match finding:
        case rules.Stray():
            return False
        case rules.Seen(node=node, server=server):
            row = rows[node]
            is_known = row.server_id is not None and row.missing_at is None and row.state != NodeState.BUILDING
            return not is_known or server.address not in (None, row.address)
        case rules.Missing(node=node):
            return rows[node].missing_at is None
        case _:
            return True


def _write(
    ctx: Context, session: Session, before: Mapping[int, str | None], servers: list[Server], nodes: Set[int]
) -> None:
    """Lock these nodes, look at them once more as they are now, and write down what the list means for them."""
    rows = {row.id: row for row in locked_nodes(session, nodes) if row.state in LIVE_STATES}
    found = rules.compare(before=before, servers=servers, nodes=map(as_node, rows.values()), at=ctx.clock())
    for finding in found:
        if not isinstance(finding, rules.Stray):
            _apply(ctx, session, rows[finding.node], finding)


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
    if row.missing_at is not None and row.state == NodeState.READY:
        # no build could claim it while it was missing
        defer(session, "dispatch")
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
    if (row := session.get(ProviderRow, name)) is not None:
        return row
    session.execute(insert(ProviderRow).values(name=name).on_conflict_do_nothing())
    return session.get_one(ProviderRow, name)


def _fail(ctx: Context, name: str, error: str, remedy: str, at: datetime) -> None:
    """Write down that a cloud could not be surveyed: it gets no nodes until it could."""
    with ctx.database.session() as session:
        row = _provider_row(session, name)
        row.failing_since = row.failing_since or at
        # without what PostgreSQL refuses
        row.error, row.remedy = error.replace("\0", "\N{REPLACEMENT CHARACTER}")[:2000], remedy
    _LOG.warning("provider.failed", provider=name, error=error)


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
