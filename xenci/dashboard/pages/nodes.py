"""The nodes: what exists on each provider, in which state, for which build, and how launches went."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import select

from xenci.dashboard import queries_builds, queries_nodes
from xenci.dashboard.site import site_of
from xenci.errors import NotFound
from xenci.store.tables import NodeRow

router = APIRouter()


@router.get("/nodes", response_class=HTMLResponse, include_in_schema=False)
def nodes(request: Request) -> HTMLResponse:
    """Show every node."""
    site = site_of(request)
    with site.database.session() as session:
        providers = queries_nodes.nodes_by_provider(session, site.settings)
        every = [node for provider in providers for node in (*provider.nodes, *provider.past)]
        return site.page(
            request,
            session,
            "nodes.html",
            providers=providers,
            strays=queries_nodes.strays(session),
            builds=queries_nodes.builds_of_nodes(session, every),
            queue=queries_builds.queue_counts(session),
            labels=site.settings.labels,
        )


@router.get("/node/{name}", response_class=HTMLResponse, include_in_schema=False)
def node(request: Request, name: str) -> HTMLResponse:
    """Show one node, a past one too: its launch, its build, what was proved about it."""
    site = site_of(request)
    with site.database.session() as session:
        found = session.scalar(select(NodeRow).where(NodeRow.name == name))
        if found is None:
            raise NotFound(f"No node is named {name[:80]}", brief="There is no such node", remedy="look at all nodes")
        build = queries_nodes.builds_of_nodes(session, [found]).get(found.build_id or 0)
        return site.page(request, session, "node.html", node=found, build=build)
