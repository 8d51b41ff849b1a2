"""The driver for OpenStack clouds, by openstacksdk.

`clouds.yaml` belongs to openstacksdk: a cloud is named and never parsed here. The SDK is imported at the first call, so
that processes that call no cloud do not pay its 40 MB. After a failure the connection is made anew: what the SDK
learned about a cloud while it was half up (versions, addresses of services) would stay wrong.
"""

from collections.abc import Callable, Iterable, Set
from functools import partial
from threading import Lock
from typing import Any, TypeVar

from xenci.clock import Clock, now
from xenci.config.models import Provider as ProviderSettings
from xenci.errors import XenciError
from xenci.model.leftover import Image, Kind, Leftover
from xenci.model.node import Server, Size
from xenci.providers import openstack_belongings as belongings
from xenci.providers import openstack_images as images
from xenci.providers.calls import Calls
from xenci.providers.openstack_errors import ignored, status_of, translated
from xenci.providers.openstack_names import Names
from xenci.providers.openstack_session import connect, serving
from xenci.providers.openstack_shapes import limits_of, server_of
from xenci.providers.port import (
    SYSTEM_KEY,
    ApiDown,
    Images,
    Leftovers,
    Limits,
    NotAllListed,
    Provider,
    Servers,
    WrongSetup,
)

_T = TypeVar("_T")
#: characters kept of a console log; Nova itself sends the last 100 KB
_CONSOLE_LIMIT = 256 * 1024


def open_provider(settings: ProviderSettings, *, system: str, calls: Calls) -> Provider:
    """Return the provider, which counts in `calls` what it asks; the cloud is not called before it is needed."""
    return OpenStack(settings, system=system, calls=calls)


class OpenStack:
    """One region of one OpenStack cloud; see `port.Provider` for what the methods promise."""

    def __init__(self, settings: ProviderSettings, *, system: str, calls: Calls, clock: Clock = now) -> None:
        self._settings = settings
        self._system = system
        self._calls = calls
        self._clock = clock
        self._names = Names(settings, clock)
        self._lock = Lock()
        self._connection: Any = None
        #: the public key that is known to be there, and the name of its pair
        self._key: tuple[str, str] | None = None

    @property
    def name(self) -> str:
        return self._settings.name

    def create(
        self,
        *,
        name: str,
        image: str,
        flavor: str | Size,
        public_key: str,
        metadata: dict[str, str],
        zone: str | None = None,
        is_first: bool = False,
    ) -> Server:
        metadata = {**metadata, SYSTEM_KEY: self._system}

        def create(cloud: Any) -> Server:
            there = None if is_first else self._find(cloud, name, metadata)
            return there or self._create(cloud, name, image, flavor, public_key, metadata, zone)

        return self._call("create", name, create)

    def list(self) -> Servers:
        def list_(cloud: Any) -> Servers:
            return [self._with_fault(cloud, server) for server in self._ours(cloud.compute.servers(details=True))]

        return self._call("list", "servers", list_)

    def mark(self, server_id: str, metadata: dict[str, str]) -> None:
        self._call("mark", server_id, lambda cloud: cloud.compute.set_server_metadata(server_id, **metadata))

    def give_address(self, server_id: str) -> None:
        if self._settings.floating_network:
            give = belongings.give_floating_ip
            self._call("give_address", server_id, lambda cloud: give(cloud, self._names, self._system, server_id))

    def delete(self, server_id: str) -> None:
        def delete(cloud: Any) -> None:
            cloud.compute.delete_server(server_id, ignore_missing=True)
            if self._settings.floating_network:
                belongings.release_floating_ips(cloud, self._system, server_id)

        self._call("delete", server_id, delete)

    def console(self, server_id: str) -> str:
        def read(cloud: Any) -> str:
            # 409: it has no console yet
            with ignored(409):
                answer = cloud.compute.get_server_console_output(server_id) or {}
                return str(answer.get("output") or "")[-_CONSOLE_LIMIT:]
            return ""

        return self._call("console", server_id, read)

    def limits(self) -> Limits:
        return self._call("limits", "of the project", lambda cloud: limits_of(cloud.compute.get_limits().absolute))

    def snapshot(self, server_id: str, *, name: str, properties: dict[str, str]) -> Image:
        def snapshot(cloud: Any) -> Image:
            return images.snapshot(cloud, self.name, self._system, server_id, name=name, properties=properties)

        return self._call("snapshot", server_id, snapshot)

    def images(self) -> Images:
        return self._call("images", "of ours", lambda cloud: images.images_of(cloud, self.name, self._system))

    def delete_image(self, image_id: str) -> None:
        self._call("delete_image", image_id, lambda cloud: cloud.image.delete_image(image_id, ignore_missing=True))

    def leftovers(self, servers: Set[str]) -> Leftovers:
        things: Leftovers = []
        failures: dict[Kind, XenciError] = {}
        for kind in belongings.KINDS:
            # each by itself: a service that is down hides nothing of the others
            list_ = partial(belongings.all_of, kind=kind, system=self._system, servers=servers)
            try:
                things += self._call("leftovers", f"of kind {kind}", list_)
            except XenciError as error:
                failures[kind] = error
        if failures:
            raise NotAllListed(things, failures)
        return things

    def delete_leftover(self, leftover: Leftover) -> None:
        what = f"{leftover.kind} {leftover.id}"
        self._call("delete_leftover", what, lambda cloud: belongings.delete(cloud, leftover))

    def check(self) -> None:
        self._call("check", "the setup", self._names.check)

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
        self,
        cloud: Any,
        name: str,
        image: str,
        flavor: str | Size,
        public_key: str,
        metadata: dict[str, str],
        zone: str | None,
    ) -> Server:
        wanted: dict[str, Any] = {
            "name": name,
            "image_id": self._names.image(cloud, image),
            "flavor_id": self._names.flavor(cloud, flavor),
            "networks": [{"uuid": network} for network in self._names.networks(cloud)],
            "key_name": self._ensure_key(cloud, public_key),
            "metadata": metadata,
        }
        if self._settings.security_groups:
            wanted["security_groups"] = [{"name": group} for group in self._settings.security_groups]
        if zone is not None:
            wanted["availability_zone"] = self._names.zone(cloud, zone)
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
            zone=zone or "",
        )

    def _ensure_key(self, cloud: Any, public_key: str) -> str:
        """Return the name of our key pair; the cloud is asked for it once, until it refuses a server."""
        if self._key is None or self._key[0] != public_key:
            self._key = (public_key, belongings.ensure_keypair(cloud, self._system, public_key))
        return self._key[1]

    def _ours(self, servers: Iterable[Any]) -> Servers:
        found = []
        for server in servers:
            if (server.metadata or {}).get(SYSTEM_KEY) == self._system:
                found.append(server_of(self._settings, server))
        return found

    def _with_fault(self, cloud: Any, server: Server) -> Server:
        """Ask for what went wrong where the list does not tell: Nova's list has no faults of other cells."""
        if server.status != "ERROR" or server.fault:
            return server
        # 404: it was deleted meanwhile
        with ignored(404):
            return server_of(self._settings, cloud.compute.get_server(server.id))
        return server

    def _call(self, method: str, what: str, call: Callable[[Any], _T]) -> _T:
        try:
            with serving(method), translated(self.name, self._settings.cloud, f"{method} {what}"):
                return call(self._connect())
        except (ApiDown, WrongSetup) as error:
            if error.__cause__ is not None:
                # the SDK's own failure, not a name of ours that is missing
                self._disconnect()
            raise

    def _connect(self) -> Any:
        with self._lock:
            if self._connection is None:
                self._connection = connect(self._settings, self._calls)
            return self._connection

    def _disconnect(self) -> None:
        with self._lock:
            self._connection = None
