"""`xenci node list --cloud`: the nodes as the clouds alone tell them, beside what the rows know."""

from sqlalchemy import select

from xenci.config.models import Settings
from xenci.errors import XenciError
from xenci.providers.port import Provider
from xenci.providers.registry import open_provider
from xenci.rules.owned import Owned, owned
from xenci.store.database import Database
from xenci.store.tables import NodeRow

COLUMNS = ("name", "label", "provider", "status", "address", "build", "made_at", "row", "server")


def cloud_rows(settings: Settings, database: Database) -> list[dict[str, object]]:
    """List every cloud, then read the rows; a cloud that does not answer is a line that says so."""
    found: list[dict[str, object]] = []
    for provider in settings.providers:
        found += _rows(open_provider(provider, system=settings.system), database)
    return found


def _rows(provider: Provider, database: Database) -> list[dict[str, object]]:
    try:
        servers = provider.list()
    except XenciError as error:
        return [dict.fromkeys(COLUMNS) | {"provider": provider.name, "status": error.sentence}]
    with database.session() as session:
        query = select(NodeRow.server_id, NodeRow.state).where(NodeRow.provider == provider.name)
        found = session.execute(query.where(NodeRow.server_id.in_([one.id for one in servers])))
        states = {row.server_id: row.state for row in found}
    return [_row(owned(server), states.get(server.id)) for server in servers]


def _row(node: Owned, state: str | None) -> dict[str, object]:
    return {
        "name": node.name,
        "label": node.label,
        "provider": node.provider,
        "status": node.status,
        "address": node.address,
        "build": node.build,
        "made_at": node.made_at,
        "row": state or "none",
        "server": node.server_id,
    }
