"""Every few minutes: looks for ports, floating IPs, volumes, key pairs and snapshots of ours that no row accounts for.

Servers are looked at with each survey (`survey.py`). The cloud is listed before the rows are read, so what is made
meanwhile is not in the list. What the configuration names is never touched.
"""

from collections.abc import Set
from datetime import datetime, timedelta

import structlog
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from xenci.errors import XenciError
from xenci.model.leftover import Kind
from xenci.model.node import LIVE_STATES
from xenci.providers.port import Leftovers, NotAllListed, Provider
from xenci.rules.leaks import SWEEP, Known, keypair_name, unaccounted
from xenci.services.answers import understood
from xenci.services.context import Context
from xenci.services.errands import run_errands
from xenci.services.node_rows import live_nodes
from xenci.services.strays import deletions, note_strays
from xenci.store.images import snapshots
from xenci.store.marks import clear_alarm, raise_alarm
from xenci.store.tables import NodeRow, ProviderRow, StrayRow

_LOG = structlog.get_logger()
#: how often
EVERY = timedelta(minutes=3)
#: servers that were given up longer ago are not asked after any more
_REMEMBERED = timedelta(days=7)
#: most deletions of one sweep
_MOST = 50
_KINDS = frozenset(Kind) - {Kind.SERVER}


def is_due(row: ProviderRow, at: datetime) -> bool:
    """Tell whether a provider is to be looked through: it lists its servers, and that was not done of late."""
    return row.failing_since is None and (row.swept_at is None or abs(at - row.swept_at) >= EVERY)


def sweep(ctx: Context, provider: Provider) -> None:
    """Look through one provider, unless that was done of late by whatever process. Repeatable."""
    at = ctx.clock()
    with ctx.database.session() as session:
        row = session.get(ProviderRow, provider.name, with_for_update=True)
        if row is None or not is_due(row, at):
            return
        row.swept_at = at
        servers = _servers_of_ours(session, at)
    things, kinds, error = _list(provider, servers)
    with ctx.database.session() as session:
        known = _known(ctx, session)
        condemned = note_strays(session, provider.name, unaccounted(things, known), kinds=kinds, at=ctx.clock())
        _tell(session, provider.name, error, at=ctx.clock())
    run_errands(deletions(provider, condemned), tries=ctx.tries, clock=ctx.clock, most=_MOST)


def _list(provider: Provider, servers: Set[str]) -> tuple[Leftovers, Set[Kind], XenciError | None]:
    """Return what could be listed, its kinds, and what hid the others: of those nothing is known."""
    try:
        with understood(provider.name):
            return provider.leftovers(servers), _KINDS, None
    except NotAllListed as error:
        return error.things, _KINDS - error.failures.keys(), error
    except XenciError as error:
        return [], frozenset(), error


def _tell(session: Session, provider: str, error: XenciError | None, *, at: datetime) -> None:
    """Open the alarm about a sweep that does not see everything, or close it."""
    if error is None:
        clear_alarm(session, f"{SWEEP}{provider}", at=at)
        return
    _LOG.warning("sweep.failed", provider=provider, error=error.sentence)
    raise_alarm(
        session,
        f"{SWEEP}{provider}",
        brief=f"What may be left over on {provider} cannot be listed",
        detail=error.sentence,
        remedy=error.remedy or "it is tried again every few minutes; what is left may cost money meanwhile",
        at=at,
    )


def _servers_of_ours(session: Session, at: datetime) -> set[str]:
    """Return the ids of servers that are or of late were ours: Neutron tells no owner of a port but its server.

    Of all providers, as two names may mean one cloud, or one that has got another name.
    """
    recent = or_(NodeRow.state.in_(LIVE_STATES), NodeRow.deleted_at > at - _REMEMBERED)
    nodes = select(NodeRow.server_id).where(NodeRow.server_id.is_not(None), recent)
    strays = select(StrayRow.cloud_id).where(StrayRow.kind == Kind.SERVER, StrayRow.seen_at > at - _REMEMBERED)
    return {str(one) for one in (*session.scalars(nodes), *session.scalars(strays))}


def _known(ctx: Context, session: Session) -> Known:
    """Return what is accounted for, on whichever provider."""
    ours = snapshots(session)
    labels = [label for one in ctx.settings.providers for label in one.labels]
    return Known(
        servers={row.server_id for row in live_nodes(session) if row.server_id is not None},
        keypair=keypair_name(ctx.settings.system, ctx.public_key),
        images={row.cloud_id for row in ours if row.cloud_id is not None},
        # a snapshot is known by its name before the cloud's answer with its id is written down
        image_names={
            *(name for one in labels for name in (one.image, one.base_image) if name),
            *(row.name for row in ours if row.cloud_id is None),
        },
    )
