"""The driver for machines of one's own, by libvirt-python: a laptop, or a host without a cloud around it.

A domain is the root of all that there is of a node (`libvirt_nodes.py`) and of an image (`libvirt_images.py`): our
element in its metadata tells whose it is. Files of the pool tell it by their names (`libvirt_marks.py`). Such a machine
has no ports, no floating IPs, no key pairs and no zones.
"""

from collections.abc import Callable, Set
from typing import Any

from xenci.clock import Clock, now
from xenci.config.models import Provider as ProviderSettings
from xenci.errors import XenciError
from xenci.model.leftover import Image, Kind, Leftover
from xenci.model.node import Server, Size
from xenci.providers import libvirt_leftovers as leftovers
from xenci.providers.calls import Calls
from xenci.providers.libvirt_connection import Connection
from xenci.providers.libvirt_images import Store
from xenci.providers.libvirt_nodes import Nodes, Wanted
from xenci.providers.libvirt_pool import Pool
from xenci.providers.libvirt_sizes import find_size
from xenci.providers.port import (
    SYSTEM_KEY,
    Images,
    Leftovers,
    Limits,
    Provider,
    Servers,
    WrongSetup,
)


def open_provider(settings: ProviderSettings, *, system: str, calls: Calls) -> Provider:
    """Return the provider, which counts each call of the port in `calls`; libvirt is not called before it is needed."""
    return Libvirt(settings, system=system, calls=calls)


class Libvirt:
    """One machine; see `port.Provider` for what the methods promise."""

    def __init__(self, settings: ProviderSettings, *, system: str, calls: Calls, clock: Clock = now) -> None:
        if settings.libvirt is None:
            raise WrongSetup(f"provider {settings.name}", brief="A provider of the driver libvirt has no key libvirt")
        self._settings = settings
        self._machine = settings.libvirt
        self._system = system
        self._clock = clock
        self._connection = Connection(settings, self._machine.uri, calls)

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
        if zone:
            remedy = "take availability_zones out of this provider's configuration"
            raise WrongSetup(f"provider {self.name}: {zone!r}", brief="A libvirt machine has no zones", remedy=remedy)
        wanted = Wanted(
            name=name,
            image=image,
            flavor=flavor,
            public_key=public_key,
            metadata={**metadata, SYSTEM_KEY: self._system},
            is_first=is_first,
        )

        def create(at: Any) -> Server:
            base = self._store(at).base(image)
            return self._nodes(at).create(wanted, base, self._pool(at), self._start)

        return self._connection.call("create", name, create)

    def list(self) -> Servers:
        return self._connection.call("list", "domains", lambda at: self._nodes(at).servers())

    def mark(self, server_id: str, metadata: dict[str, str]) -> None:
        self._connection.call("mark", server_id, lambda at: self._nodes(at).mark(server_id, metadata))

    def give_address(self, server_id: str) -> None:
        """Do nothing: a domain has the address that the network leases it."""

    def delete(self, server_id: str) -> None:
        self._connection.call("delete", server_id, lambda at: self._nodes(at).delete(server_id, self._pool(at)))

    def console(self, server_id: str) -> str:
        def read(at: Any) -> str:
            return self._pool(at).console(self._nodes(at).find(server_id).name())

        return self._connection.call("console", server_id, read)

    def limits(self) -> Limits:
        return self._connection.call("limits", "of the machine", lambda at: self._nodes(at).limits())

    def snapshot(self, server_id: str, *, name: str, properties: dict[str, str]) -> Image:
        def snapshot(at: Any) -> Image:
            return self._store(at).snapshot(self._nodes(at).find(server_id), name, properties)

        return self._connection.call("snapshot", server_id, snapshot)

    def images(self) -> Images:
        return self._connection.call("images", "of ours", lambda at: self._store(at).images())

    def delete_image(self, image_id: str) -> None:
        self._connection.call("delete_image", image_id, lambda at: self._store(at).delete(image_id))

    def leftovers(self, servers: Set[str]) -> Leftovers:
        def list_(at: Any) -> Leftovers:
            images = [
                Leftover(kind=Kind.IMAGE, id=one.id, name=one.name, created_at=one.created_at)
                for one in self._store(at).images()
            ]
            return [*images, *leftovers.files(at, self._pool(at), self._system)]

        return self._connection.call("leftovers", "of ours", list_)

    def delete_leftover(self, leftover: Leftover) -> None:
        match leftover.kind:
            case Kind.SERVER:
                self.delete(leftover.id)
            case Kind.IMAGE:
                self.delete_image(leftover.id)
            case Kind.VOLUME:
                self._connection.call(
                    "delete_leftover",
                    leftover.id,
                    lambda at: leftovers.delete_file(at, self._pool(at), self._system, leftover.id),
                )
            case _:
                # such a machine has none of this kind
                return

    def check(self) -> None:
        self._connection.call("check", "the setup", self._check)

    def _check(self, at: Any) -> None:
        wrong: list[XenciError] = []
        wants: list[Callable[[], object]] = [self._nodes(at).network]
        for label in self._settings.labels:
            wants.append(lambda label=label: self._store(at).base(label.image))  # type: ignore[misc]
            wants.append(lambda label=label: find_size(self._machine, label.size))  # type: ignore[misc]
        for want in wants:
            try:
                want()
            except WrongSetup as error:
                wrong.append(error)
        if len(wrong) == 1:
            raise wrong[0]
        if wrong:
            words = "; ".join(error.sentence for error in wrong)
            raise WrongSetup(words, brief=f"Provider {self.name} is not set up")

    def _start(self, domain: Any) -> None:
        domain.create()

    def _pool(self, at: Any) -> Pool:
        return Pool(at, self._machine.pool)

    def _nodes(self, at: Any) -> Nodes:
        return Nodes(at, self._settings, self._machine, self._system, self._clock)

    def _store(self, at: Any) -> Store:
        return Store(at, self._pool(at), self.name, self._machine.machine, self._system, self._clock)
