"""Turns what openstacksdk returns into our nouns."""

from datetime import UTC, datetime
from typing import Any

from xenci.config.models import Provider as ProviderSettings
from xenci.model.leftover import Image
from xenci.model.node import Server
from xenci.providers.port import Limits


def server_of(settings: ProviderSettings, raw: Any) -> Server:
    """Return a server."""
    fault = raw.fault or {}
    return Server(
        provider=settings.name,
        id=str(raw.id),
        name=str(raw.name),
        status=str(raw.status or "UNKNOWN"),
        address=_address(raw.addresses or {}, settings),
        metadata={str(key): str(value) for key, value in (raw.metadata or {}).items()},
        created_at=moment(raw.created_at),
        zone=str(raw.availability_zone or ""),
        fault=str(fault.get("message") or "")[:1000] if raw.status == "ERROR" else "",
    )


def image_of(provider: str, raw: Any) -> Image:
    """Return an image."""
    return Image(
        provider=provider,
        id=str(raw.id),
        name=str(raw.name),
        status=str(raw.status),
        properties={str(key): str(value) for key, value in (raw.properties or {}).items()},
        created_at=moment(raw.created_at),
    )


def limits_of(absolute: Any) -> Limits:
    """Return the quota and its use; Nova tells -1 for no limit."""

    def limit(value: Any) -> int | None:
        return None if value is None or value < 0 else int(value)

    return Limits(
        servers=limit(absolute.instances),
        servers_used=int(absolute.instances_used or 0),
        cores=limit(absolute.total_cores),
        cores_used=int(absolute.total_cores_used or 0),
        ram_mb=limit(absolute.total_ram),
        ram_mb_used=int(absolute.total_ram_used or 0),
    )


def moment(words: object) -> datetime:
    """Return a time that a service tells; without a zone it is UTC."""
    told = datetime.fromisoformat(str(words))
    return told.replace(tzinfo=UTC) if told.tzinfo is None else told.astimezone(UTC)


def _address(addresses: dict[str, Any], settings: ProviderSettings) -> str | None:
    """Return the first IPv4 address of the kind that the server is reached by, on the provider's network if there."""
    wanted = "floating" if settings.floating_network else "fixed"
    for name in sorted(addresses, key=lambda name: name != settings.network):
        for entry in addresses[name]:
            if entry.get("version") == 4 and entry.get("OS-EXT-IPS:type", "fixed") == wanted:
                return str(entry["addr"])
    return None
