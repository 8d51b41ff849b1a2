"""The nodes: what exists on each provider, in which state, for which build, and how launches went."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import select

from xenci.config.models import Settings
from xenci.dashboard import queries_builds, queries_health, queries_nodes, queries_pool
from xenci.dashboard.access import keep_private, visitor_of
from xenci.dashboard.site import site_of
from xenci.errors import NotFound
from xenci.rules.breaker import LIMIT
from xenci.rules.holds import ssh_command
from xenci.store.holds import last_hold
from xenci.store.images import listed
from xenci.store.tables import NodeRow

router = APIRouter()


@router.get("/nodes", response_class=HTMLResponse, include_in_schema=False)
def nodes(request: Request) -> Response:
    """Show the pool and every node; to an operator with the forms to act on them."""
    site = site_of(request)
    with site.database.session() as session:
        visitor = visitor_of(request, session)
        providers = queries_nodes.nodes_by_provider(session, site.settings)
        every = [node for provider in providers for node in (*provider.nodes, *provider.past)]
        page = site.page(
            request,
            session,
            "nodes.html",
            visitor=visitor,
            may_act=site.hand is not None,
            pool=queries_pool.pool_of(session, site.settings, site.clock()),
            actions=queries_health.last_actions(session) if visitor else [],
            providers=providers,
            strays=queries_nodes.strays(session),
            images=listed(session, most=20),
            builds=queries_nodes.builds_of_nodes(session, every),
            queue=queries_builds.queue_counts(session),
            limit=LIMIT,
        )
    return keep_private(page) if visitor else page


@router.get("/node/{name}", response_class=HTMLResponse, include_in_schema=False)
def node(request: Request, name: str) -> Response:
    """Show one node, a past one too: its launch, its build, what was proved about it."""
    site = site_of(request)
    with site.database.session() as session:
        found = session.scalar(select(NodeRow).where(NodeRow.name == name))
        if found is None:
            raise NotFound(f"No node is named {name[:80]}", brief="There is no such node", remedy="look at all nodes")
        build = queries_nodes.builds_of_nodes(session, [found]).get(found.build_id or 0)
        visitor = visitor_of(request, session)
        page = site.page(
            request,
            session,
            "node.html",
            node=found,
            build=build,
            visitor=visitor,
            hold=last_hold(session, found.id),
            way_in=_way_in(site.settings, found),
        )
    return keep_private(page) if visitor else page


def _way_in(settings: Settings, row: NodeRow) -> str:
    """Return the command that gets the owner of a hold onto their node."""
    label = next((one for one in settings.labels if one.name == row.label), None)
    if label is None or not row.address:
        return ""
    return ssh_command(user=label.ssh_user, address=row.address, port=label.ssh_port)
