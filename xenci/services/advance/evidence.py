"""Proof that the hypervisor under test was Xen: the host's facts, and a guest of this very run seen through libvirt."""

from datetime import timedelta

import structlog
from sqlalchemy import select

from xenci.errors import XenciError
from xenci.gerrit.fields import storable
from xenci.host.port import Host
from xenci.host.xen import domains
from xenci.services.advance.work import Work
from xenci.services.context import Context
from xenci.store.tables import BuildRow, EvidenceRow

_LOG = structlog.get_logger()
_QUICK = timedelta(seconds=60)
#: libvirt's words for a guest that was started
_ALIVE = frozenset({"running", "blocked", "paused"})
#: how often libvirt is asked for guests until one of this run is seen
ASK_EVERY = timedelta(seconds=8)


def remember_servers(ctx: Context, work: Work, host: Host) -> None:
    """Write down which servers Nova knows before a run: a guest of theirs proves nothing about it."""
    before = _servers(work, host)
    with ctx.database.session() as session:
        build = session.get_one(BuildRow, work.build_id, with_for_update=True)
        build.memory = {**build.memory, "servers_before": sorted(before)}


def note_host(ctx: Context, work: Work) -> None:
    """Keep the facts that made the node ready with the build, once."""
    with ctx.database.session() as session:
        if not _has(ctx, work, "host"):
            session.add(
                EvidenceRow(build_id=work.build_id, kind="host", seen_at=ctx.clock(), content=dict(work.node.facts))
            )


def look_for_guest(ctx: Context, work: Work, host: Host, run: str) -> bool:
    """Ask libvirt for a domain whose UUID is a server of this run; keep it. Tell whether there is one by now."""
    if _has(ctx, work, "guest"):
        return True
    with ctx.database.session() as session:
        memory = session.get_one(BuildRow, work.build_id).memory
    asked = memory.get("guest_asked_at", 0.0)
    if ctx.clock().timestamp() - float(asked) < ASK_EVERY.total_seconds():
        return False
    seen = {}
    try:
        # a guest that was only defined, and could not be started, proves nothing
        seen = {domain.uuid: domain for domain in domains(host) if domain.state in _ALIVE}
        ours = (_servers(work, host) - set(memory.get("servers_before", []))) & set(seen)
    except XenciError as error:
        # a busy node answers late; the run goes on, and it is asked again
        _LOG.info("evidence.not_asked", build=work.build_id, error=error.sentence)
        ours = set()
    with ctx.database.session() as session:
        build = session.get_one(BuildRow, work.build_id, with_for_update=True)
        build.memory = {**build.memory, "guest_asked_at": ctx.clock().timestamp()}
        if ours:
            domain = seen[min(ours)]
            content = {"uuid": domain.uuid, "name": domain.name, "state": domain.state, "run": run, "via": "libvirt"}
            session.add(EvidenceRow(build_id=build.id, kind="guest", seen_at=ctx.clock(), content=content))
            _LOG.info("evidence.guest", build=work.build_id, domain=domain.name, uuid=domain.uuid)
    return bool(ours)


def _servers(work: Work, host: Host) -> set[str]:
    """UUIDs of the servers that the Nova under test knows, past ones too."""
    output = host.run(work.job.node.servers, timeout=_QUICK)
    return set(storable(output.stdout.decode(errors="replace")).split()) if output.exit_code == 0 else set()


def _has(ctx: Context, work: Work, kind: str) -> bool:
    with ctx.database.session() as session:
        query = select(EvidenceRow.id).where(EvidenceRow.build_id == work.build_id, EvidenceRow.kind == kind).limit(1)
        return session.scalar(query) is not None
