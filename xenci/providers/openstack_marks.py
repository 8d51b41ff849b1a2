"""Who owns a port or a floating IP: told by its description, as Neutron has no metadata and some clouds no tags."""

from xenci.providers.port import SYSTEM_KEY

#: key of the server that a thing was made for
SERVER_KEY = "xenci_server"


def description_of(system: str, server_id: str) -> str:
    """Return the description of what is made for a server."""
    return f"{SYSTEM_KEY}={system} {SERVER_KEY}={server_id}"


def marks_of(description: object) -> dict[str, str]:
    """Return the keys and values in a description; empty if there is none."""
    return dict(word.split("=", 1) for word in str(description or "").split() if "=" in word)
