"""Opens the connection to a cloud by openstacksdk, and counts every request that goes over it.

The SDK is imported at the first call, so that processes that call no cloud do not pay its 40 MB.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

from xenci.config.models import Provider as ProviderSettings
from xenci.providers.calls import Call, Calls

#: method of the port that is being served in this thread
_SERVED: ContextVar[str] = ContextVar("served", default="")
_VERSION = re.compile(r"^v\d+(\.\d+)?$")
_PROJECT = re.compile(r"^[0-9a-f]{32}$")
#: words at places where addresses have ids elsewhere
_WORDS = frozenset({"detail", "tokens"})


@contextmanager
def serving(method: str) -> Iterator[None]:
    """Count the requests within as made for this method of the port."""
    token = _SERVED.set(method)
    try:
        yield
    finally:
        _SERVED.reset(token)


def connect(settings: ProviderSettings, calls: Calls) -> Any:
    """Return a connection whose requests are counted in `calls`. Raises what openstacksdk raises."""
    from keystoneauth1.session import Session
    from openstack.config import OpenStackConfig
    from openstack.connection import Connection

    class Counting(Session):
        """keystoneauth's session: each request, also one for a token or for what versions there are, counts once."""

        def request(self, url: str, method: str, *args: Any, **values: Any) -> Any:
            calls.add(Call(settings.name, _SERVED.get(), f"{method} {shape(url)}"))
            return super().request(url, method, *args, **values)

    config = OpenStackConfig(session_constructor=Counting, app_name="xenci")
    chosen = config.get_one(
        cloud=settings.cloud, region_name=settings.region, api_timeout=settings.api_timeout.total_seconds()
    )
    return Connection(config=chosen)


def shape(url: str) -> str:
    """Return an address without host, version, query and ids: `servers/{id}/action`."""
    parts = [part for part in urlsplit(url).path.split("/") if part]
    version = next((place for place, part in enumerate(parts) if _VERSION.match(part)), None)
    if version is not None:
        parts = parts[version + 1 :]
    if parts and _PROJECT.match(parts[0]):
        parts = parts[1:]
    shown = [part if place % 2 == 0 or part in _WORDS else "{id}" for place, part in enumerate(parts)]
    return "/".join(shown) or "versions"
