"""The driver for OpenStack clouds, by openstacksdk.

`clouds.yaml` belongs to openstacksdk: a cloud is named and never parsed here. The SDK is imported at the first call, so
that processes that call no cloud do not pay its 40 MB. After a failure the connection is made anew: what the SDK
learned about a cloud while it was half up (versions, addresses of services) would stay wrong.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from threading import Lock
from typing import Any, TypeVar

from xenci.clock import Clock, now
from xenci.config.models import Provider as ProviderSettings
from xenci.model.node import Server
from xenci.providers.openstack_errors import status_of, translated
from xenci.providers.openstack_names import Names
from xenci.providers.port import SYSTEM_KEY, ApiDown, Limits, Provider, Servers, WrongSetup

_T = TypeVar("_T")
#: characters kept of a console log; Nova itself sends the last 100 KB
_CONSOLE_LIMIT = 256 * 1024


def open_provider(settings: ProviderSettings, *, system: str) -> Provider:
    """Return the provider; the cloud is not called before it is needed."""
    return OpenStack(settings, system=system)


class OpenStack:
    """One region of one OpenStack cloud; see `port.Provider` for what the methods promise."""

    def __init__(self, settings: ProviderSettings, *, system: str, clock: Clock = now) -> None:
        self._settings = settings
        self._system = system
        self._clock = clock
        self._names = Names(settings, clock)
        self._lock = Lock()
        self._connection: Any = None
        #: the public key that our key pair is known to hold
        self._key: str | None = None

    @property
    def name(self) -> str:
        return self._settings.name

    def create(self, *, name: str, image: str, flavor: str, public_key: str, metadata: dict[str, str]) -> Server:
        metadata = {**metadata, SYSTEM_KEY: self._system}

        def create(cloud: Any) -> Server:
            there = self._find(cloud, name, metadata)
            return there or self._create(cloud, name, image, flavor, public_key, metadata)

        return self._call(f"creating {name}", create)

    def list(self) -> Servers:
        def list_(cloud: Any) -> Servers:
            return [self._with_fault(cloud, server) for server in self._ours(cloud.compute.servers(details=True))]

        return self._call("listing servers", list_)

    def delete(self, server_id: str) -> None:
        self._call(f"deleting {server_id}", lambda cloud: cloud.compute.delete_server(server_id, ignore_missing=True))

    def console(self, server_id: str) -> str:
        def read(cloud: Any) -> str:
            # 409: it has no console yet
            with _ignored(409):
                answer = cloud.compute.get_server_console_output(server_id) or {}
                return str(answer.get("output") or "")[-_CONSOLE_LIMIT:]
            return ""

        return self._call(f"reading the console of {server_id}", read)

    def limits(self) -> Limits:
        return self._call("reading the limits", lambda cloud: _limits(cloud.compute.get_limits().absolute))

    def check(self) -> None:
        self._call("checking the setup", self._names.check)

    def _find(self, cloud: Any, name: str, metadata: dict[str, str]) -> Server | None:
        """Return the server of ours with this name and all of this metadata, the oldest if there are several."""
        pattern = "^" + name.replace(".", "[.]") + "$"
        found = [
            server
            for server in self._ours(cloud.compute.servers(details=True, name=pattern))
            if server.name == name and metadata.items() <= server.metadata.items()
        ]
        return min(found, key=lambda server: server.created_at, default=None)

    def _create(
        self, cloud: Any, name: str, image: str, flavor: str, public_key: str, metadata: dict[str, str]
    ) -> Server:
        wanted: dict[str, Any] = {
            "name": name,
            "image_id": self._names.image(cloud, image),
            "flavor_id": self._names.flavor(cloud, flavor),
            "networks": [{"uuid": self._names.network(cloud)}],
            "key_name": self._ensure_key(cloud, public_key),
            "metadata": metadata,
        }
        if self._settings.security_groups:
            wanted["security_groups"] = [{"name": group} for group in self._settings.security_groups]
        if self._settings.availability_zone:
            wanted["availability_zone"] = self._settings.availability_zone
        try:
            made = cloud.compute.create_server(**wanted)
        except OSError as error:
            if status_of(error) in (400, 404):
                # an image, a network or the key pair may have been replaced since it was looked up
                self._names.forget()
                self._key = None
            raise
        return Server(
            provider=self.name,
            id=str(made.id),
            name=name,
            status="BUILD",
            address=None,
            metadata=metadata,
            created_at=self._clock(),
        )

    def _ensure_key(self, cloud: Any, public_key: str) -> str:
        """Return the name of our key pair, made if it is not there, made anew if it holds another key."""
        name = f"xenci-{self._system}"
        wanted = public_key.split()[:2]
        if self._key != public_key:
            found = None
            with _ignored(404):
                found = cloud.compute.get_keypair(name)
            if found is not None and str(found.public_key).split()[:2] != wanted:
                cloud.compute.delete_keypair(name, ignore_missing=True)
                found = None
            if found is None:
                # 409: another step was faster
                with _ignored(409):
                    cloud.compute.create_keypair(name=name, public_key=" ".join(wanted))
            self._key = public_key
        return name

    def _ours(self, servers: Iterable[Any]) -> Servers:
        found = []
        for server in servers:
            if (server.metadata or {}).get(SYSTEM_KEY) == self._system:
                found.append(_server(self.name, self._settings.network, server))
        return found

    def _with_fault(self, cloud: Any, server: Server) -> Server:
        """Ask for what went wrong where the list does not tell: Nova's list has no faults of other cells."""
        if server.status != "ERROR" or server.fault:
            return server
        # 404: it was deleted meanwhile
        with _ignored(404):
            return _server(self.name, self._settings.network, cloud.compute.get_server(server.id))
        return server

    def _call(self, doing: str, call: Callable[[Any], _T]) -> _T:
        try:
            with translated(self.name, self._settings.cloud, doing):
                return call(self._connect())
        except (ApiDown, WrongSetup) as error:
            if error.__cause__ is not None:
                # the SDK's own failure, not a name of ours that is missing
                self._disconnect()
            raise

    def _connect(self) -> Any:
        with self._lock:
            if self._connection is None:
                import openstack

                self._connection = openstack.connect(
                    cloud=self._settings.cloud,
                    region_name=self._settings.region,
                    api_timeout=self._settings.api_timeout.total_seconds(),
                    app_name="xenci",
                )
            return self._connection

    def _disconnect(self) -> None:
        with self._lock:
            self._connection = None


@contextlib.contextmanager
def _ignored(status: int) -> Iterator[None]:
    """Let the SDK's error of this HTTP status pass."""
    try:
        yield
    except OSError as error:
        if status_of(error) != status:
            raise


def _server(provider: str, network: str, raw: Any) -> Server:
    fault = raw.fault or {}
    return Server(
        provider=provider,
        id=str(raw.id),
        name=str(raw.name),
        status=str(raw.status or "UNKNOWN"),
        address=_address(raw.addresses or {}, network),
        metadata={str(key): str(value) for key, value in (raw.metadata or {}).items()},
        created_at=datetime.fromisoformat(str(raw.created_at)).astimezone(UTC),
        fault=str(fault.get("message") or "")[:1000] if raw.status == "ERROR" else "",
    )


def _address(addresses: dict[str, Any], network: str) -> str | None:
    """Return the first fixed IPv4 address, on the provider's network if it has one there."""
    for name in sorted(addresses, key=lambda name: name != network):
        for entry in addresses[name]:
            if entry.get("version") == 4 and entry.get("OS-EXT-IPS:type", "fixed") == "fixed":
                return str(entry["addr"])
    return None


def _limits(absolute: Any) -> Limits:
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
