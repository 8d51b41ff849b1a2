"""Reads a node's console from its cloud, for a person."""

from xenci.config.models import Settings
from xenci.errors import NotFound
from xenci.providers.registry import open_provider
from xenci.store.tables import NodeRow


def console_of(settings: Settings, row: NodeRow) -> str:
    """Return the end of a node's console log. Raises NotFound if it has no server, and what the provider raises."""
    provider = next((one for one in settings.providers if one.name == row.provider), None)
    if provider is None or row.server_id is None or row.deleted_at is not None:
        raise NotFound(row.name, brief="This node has no server", remedy="xenci node list")
    return open_provider(provider, system=settings.system).console(row.server_id)
