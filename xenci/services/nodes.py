"""Takes one node one step further: asked for, ACTIVE, SSH, proved to be a Xen host, ready; and at its end deleted.

That a server is ACTIVE, in ERROR or gone is told by the survey (`survey.py`), which lists a cloud once for all of its
nodes. What is done here is done for one node, so that a node that keeps us waiting keeps no other one waiting.
"""

from datetime import datetime, timedelta

import structlog
from sqlalchemy.orm import Session

from xenci.config.models import ProviderLabel
from xenci.errors import Permanent, Temporary, XenciError
from xenci.host.keys import host_keys_of_console
from xenci.host.port import HostKeyChanged
from xenci.host.xen import NotXen, prove_host
from xenci.model.node import LIVE_STATES, LaunchFailure, NodeState
from xenci.providers.port import NoCapacity, QuotaExceeded
from xenci.rules.nodes import ASK_AGAIN, LAUNCHING, console_pause, lateness, metadata_of, no_longer_configured
from xenci.services.context import Context
from xenci.services.engine import defer, nudge
from xenci.services.fence import fenced
from xenci.services.keep import keep
from xenci.services.node_rows import as_node, change, deadlines_of, fail, locked
from xenci.services.node_zones import begin_create
from xenci.services.visits import let_owner_in, shut_owner_out
from xenci.store import images
from xenci.store.marks import audit, back_at
from xenci.store.tables import NodeRow

_LOG = structlog.get_logger()
#: first number of the advisory locks of nodes: "node"
_LOCK = 0x6E6F6465
#: an emulated or busy machine takes so long for a word
_PATIENCE = timedelta(seconds=90)


def advance_node(ctx: Context, node_id: int) -> None:
    """Take a node as far as it goes without waiting. Repeatable; whoever comes second while it runs does nothing."""
    with fenced(ctx.database, _LOCK, node_id) as is_mine:
        while is_mine and _step(ctx, node_id):
            pass


def request_delete(ctx: Context, node_id: int, reason: str) -> None:
    """Have a node's server deleted, whatever the node does; a build on it loses it. Harmless if it is being deleted."""
    with ctx.database.session() as session:
        row = locked(session, node_id)
        if row is not None:
            _give_up(session, row, reason, at=ctx.clock())


def delete_by_hand(session: Session, row: NodeRow, *, who: str, reason: str, at: datetime) -> str:
    """Have a person's wish fulfilled that a node be deleted; write down who wished it; return what is said to them."""
    audit(session, who=who, what=f"delete node {row.name}", reason=reason, at=at)
    session.refresh(row, with_for_update=True)
    if not _give_up(session, row, f"deleted by {who}" + (f": {reason}" if reason else ""), at=at):
        return f"{row.name} is {row.state} already"
    return f"{row.name} is being deleted"


def _give_up(session: Session, row: NodeRow, reason: str, *, at: datetime) -> bool:
    if row.state not in LIVE_STATES - {NodeState.DELETING}:
        return False
    change(row, NodeState.DELETING, reason, at=at)
    # now, even where a look at the booting machine waits for its time
    defer(session, "node", row.id)
    return True


def _step(ctx: Context, node_id: int) -> bool:
    """Do what is to be done next; tell whether there may be more."""
    with ctx.database.session() as session:
        row = locked(session, node_id)
        if row is None:
            return False
        if _is_over(ctx, session, row):
            return True
    match row.state:
        case NodeState.BUILDING if row.server_id is None:
            return _create(ctx, row)
        case NodeState.BUILDING if row.active_at is not None:
            return _meet(ctx, row)
        case NodeState.TESTING:
            return _prove(ctx, row)
        case NodeState.USED:
            request_delete(ctx, row.id, row.reason)
            return True
        case NodeState.HOLD:
            let_owner_in(ctx, row)
        case NodeState.DELETING if row.server_id is not None:
            return _delete(ctx, row)
    return False


def _is_over(ctx: Context, session: Session, row: NodeRow) -> bool:
    """End a launch that is late, or that nobody wants any more; tell whether it was one."""
    at = ctx.clock()
    try:
        deadlines = deadlines_of(ctx.settings.label(row.label))
    except KeyError:
        if row.state not in LAUNCHING:
            return False
        change(row, NodeState.DELETING, no_longer_configured(row.label), at=at)
        return True
    failed = lateness(as_node(row), deadlines, at, back_at(session, at=at))
    if failed is not None:
        fail(row, failed.failure, failed.reason, at=at)
    return failed is not None


def _create(ctx: Context, row: NodeRow) -> bool:
    """Ask the cloud for the server, or find it if it was asked for before we died."""
    provider = ctx.providers.get(row.provider)
    entry = _entry(ctx, row)
    if provider is None or entry is None:
        words = f"{row.provider} no longer offers {row.label} in the configuration"
        return _fail(ctx, row, LaunchFailure.CONFIG, words, is_refused=True)
    is_first = row.asked_at is None
    zone, image = begin_create(ctx, row.id, configured=entry.image)
    try:
        server = provider.create(
            name=row.name,
            image=image,
            flavor=entry.size,
            public_key=ctx.public_key,
            metadata=metadata_of(row.name, row.created_at, row.label),
            zone=zone,
            is_first=is_first,
        )
    except QuotaExceeded as error:
        return _fail(ctx, row, LaunchFailure.QUOTA, error.sentence, is_refused=True)
    except NoCapacity as error:
        return _fail(ctx, row, LaunchFailure.CAPACITY, error.sentence, is_refused=True)
    except Permanent as error:
        return _fail(ctx, row, LaunchFailure.CONFIG, error.sentence, is_refused=True)
    except Temporary as error:
        # the cloud may have made it all the same: it stays ours to delete until the list shows that it did not
        return _fail(ctx, row, LaunchFailure.API, error.sentence)
    with ctx.database.session() as session:
        now = locked(session, row.id)
        if now is not None and now.server_id is None:
            now.server_id = server.id
            if now.state == NodeState.BUILDING:
                now.reason = f"{row.provider} builds the server"
    return False


def _meet(ctx: Context, row: NodeRow) -> bool:
    """Learn the host key from the console and try SSH."""
    key = row.host_key or _learn_host_key(ctx, row)
    if key is None:
        return False
    try:
        label = ctx.settings.label(row.label)
        with ctx.hosts.host(row.address or "", user=label.ssh_user, host_key=key, port=label.ssh_port) as host:
            output = host.run("uname -a", timeout=_PATIENCE)
    except HostKeyChanged as error:
        # a restored machine's console begins with the keys of the one it was saved from: read it again
        return _note(ctx, row, f"waits for SSH: {error.sentence}", forget_key=True)
    except XenciError as error:
        return _note(ctx, row, f"waits for SSH: {error.sentence}")
    if output.exit_code:
        return _note(ctx, row, f"waits for SSH: uname -a ended with {output.exit_code}: {output.words}")
    with ctx.database.session() as session:
        now = locked(session, row.id)
        if now is None or now.state != NodeState.BUILDING:
            return False
        now.host_key, now.ssh_at = key, ctx.clock()
        change(now, NodeState.TESTING, "SSH answers with the host key that the console told", at=ctx.clock())
    return True


def _learn_host_key(ctx: Context, row: NodeRow) -> str | None:
    try:
        keys = host_keys_of_console(ctx.providers[row.provider].console(row.server_id or ""))
    except XenciError as error:
        _note(ctx, row, f"waits for its console: {error.sentence}")
        return None
    if not keys:
        _note(ctx, row, "waits for its SSH host key on the console")
        at = ctx.clock()
        with ctx.database.session() as session:
            # while this waits no tick has the console read
            defer(session, "node", row.id, after=console_pause(row.active_at or at, at))
        return None
    with ctx.database.session() as session:
        now = locked(session, row.id)
        if now is not None:
            now.host_key = keys[0]
    return keys[0]


def _prove(ctx: Context, row: NodeRow) -> bool:
    """Have it proved what the label asks for; then it is ready."""
    label = ctx.settings.label(row.label)
    with ctx.database.session() as session:
        is_raw = images.is_raw(session, row.id)
    try:
        key = row.host_key or ""
        with ctx.hosts.host(row.address or "", user=label.ssh_user, host_key=key, port=label.ssh_port) as host:
            if label.hypervisor == "xen" and not is_raw:
                facts = prove_host(host).as_json()
            else:
                facts = {"hypervisor": "none", "kernel": host.run("uname -r", timeout=_PATIENCE).words}
    except (NotXen, HostKeyChanged) as error:
        return _fail(ctx, row, LaunchFailure.XEN, error.sentence)
    except XenciError as error:
        return _note(ctx, row, f"waits for Xen: {error.sentence}")
    with ctx.database.session() as session:
        now = locked(session, row.id)
        if now is None or now.state != NodeState.TESTING:
            return False
        now.facts, now.ready_at = facts, ctx.clock()
        words = f"Xen {facts['xen_version']}, libvirt {facts['libvirt_version']}" if "xen_version" in facts else "SSH"
        if now.image_id is not None:
            change(now, NodeState.IN_USE, f"serves node image {now.image_id}: {words}", at=ctx.clock())
            nudge(session, "image", now.image_id)
            return False
        change(now, NodeState.READY, f"proved: {words}", at=ctx.clock())
        if keep(session, now, "it is ready", at=ctx.clock()):
            return True
        # a dispatch that runs just now may have looked already: it is to look again
        defer(session, "dispatch")
    return False


def _delete(ctx: Context, row: NodeRow) -> bool:
    """Ask for the deletion, now and then; the survey tells when the server is gone."""
    provider, at = ctx.providers.get(row.provider), ctx.clock()
    if provider is None or (row.delete_asked_at is not None and at - row.delete_asked_at < ASK_AGAIN):
        return False
    if row.address:
        shut_owner_out(ctx, row)
        ctx.hosts.forget(row.address)
    try:
        provider.delete(row.server_id or "")
    except XenciError as error:
        _LOG.warning("node.not_deleted", node=row.name, provider=row.provider, error=error.sentence)
    with ctx.database.session() as session:
        now = locked(session, row.id)
        if now is not None:
            now.delete_asked_at = at
    return False


def _fail(ctx: Context, row: NodeRow, failure: LaunchFailure, reason: str, *, is_refused: bool = False) -> bool:
    with ctx.database.session() as session:
        now = locked(session, row.id)
        if now is not None and now.state in (NodeState.BUILDING, NodeState.TESTING):
            fail(now, failure, reason, at=ctx.clock(), is_refused=is_refused)
        elif now is not None and now.state == NodeState.DELETING and is_refused and now.server_id is None:
            change(now, NodeState.DELETED, now.reason, at=ctx.clock())
        nudge(session, "pool")
    return True


def _note(ctx: Context, row: NodeRow, reason: str, *, forget_key: bool = False) -> bool:
    """Keep why it does not go on yet: the deadline's failure tells it."""
    with ctx.database.session() as session:
        now = locked(session, row.id)
        if now is not None and now.state in (NodeState.BUILDING, NodeState.TESTING):
            now.reason = reason[:1000]
            now.host_key = None if forget_key else now.host_key
    return False


def _entry(ctx: Context, row: NodeRow) -> ProviderLabel | None:
    settings = next((p for p in ctx.settings.providers if p.name == row.provider), None)
    return next((entry for entry in settings.labels if entry.name == row.label), None) if settings else None
