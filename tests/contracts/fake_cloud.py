"""A cloud in memory that keeps the provider's contract; its world is moved on by hand."""

import itertools
from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace

from xenci.clock import Clock, now
from xenci.errors import Temporary, XenciError
from xenci.model.leftover import Image, Kind, Leftover
from xenci.model.node import Server, Size
from xenci.providers.calls import Call, Calls
from xenci.providers.port import (
    IMAGE_KEY,
    SYSTEM_KEY,
    Images,
    Leftovers,
    Limits,
    NotAllListed,
    QuotaExceeded,
    ServerMissing,
    Servers,
    WrongSetup,
)
from xenci.rules.leaks import keypair_name

#: the host key that every console tells
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIErAcUwUrj6ET4+52KEJPUslLc0PAbGIYz0xvjjMqiPc"
_NUMBERS = itertools.count(1)
#: GB of RAM and vCPU of each flavor
FLAVORS = {"small": (1, 1), "large": (8, 4), "huge": (64, 32)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A thing that the cloud holds besides servers and images, and what tells whose it is."""

    thing: Leftover
    #: system id in its description, metadata or public key; None if it has none
    system: str | None


class FakeCloud:
    """One provider. What is in `servers` is there, whoever put it there."""

    def __init__(
        self, name: str = "ca", *, system: str = "test", clock: Clock = now, counts: Calls | None = None
    ) -> None:
        self.name = name
        self.system = system
        self.clock = clock
        self.counts = counts or Calls()
        self.public_images = ["standin", "xen"]
        self.flavors = list(FLAVORS)
        self.zones = ["nova"]
        #: whether servers get floating IPs, and whether there is a service for volumes
        self.has_floating = False
        self.has_volumes = True
        self.snapshots: dict[str, Image] = {}
        self.things: dict[tuple[Kind, str], Held] = {}
        self.quota: int | None = 10
        self.servers: dict[str, Server] = {}
        self.consoles: dict[str, str] = {}
        #: raised by every call
        self.down: XenciError | None = None
        #: raised by `create` after the server was made
        self.forgetful: XenciError | None = None
        #: kinds that `leftovers` cannot list, with what they meet
        self.unlisted: dict[Kind, XenciError] = {}
        #: raised by `give_address`
        self.no_address: XenciError | None = None
        #: the words of the next servers' ERROR
        self.fault = ""
        self.calls: list[str] = []

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
        self._call("create")
        metadata = {**metadata, SYSTEM_KEY: self.system}
        for server in () if is_first else self.servers.values():
            if server.name == name and metadata.items() <= server.metadata.items():
                return server
        if isinstance(flavor, Size):
            flavor = self._of_size(flavor)
        images = [*self.public_images, *(image.name for image in self.snapshots.values())]
        wants = [("image", image, images), ("flavor", flavor, self.flavors)]
        if zone is not None:
            wants.append(("availability zone", zone, self.zones))
        for kind, wanted, there in wants:
            if wanted not in there:
                remedy = f"did you mean {there[0]!r}? the cloud has {', '.join(there)}"
                raise WrongSetup(repr(wanted), brief=f"The cloud has no {kind} of this name", remedy=remedy)
        if self.quota is not None and len(self.servers) >= self.quota:
            raise QuotaExceeded(f"provider {self.name}: {len(self.servers)} of {self.quota}")
        server = self.put(name, metadata, zone=zone or "")
        pair = keypair_name(self.system, public_key)
        self.hold(Kind.KEYPAIR, pair, system=self.system, name=pair)
        if self.forgetful is not None:
            raise self.forgetful
        return server

    def list(self) -> Servers:
        self._call("list")
        return [server for server in self.servers.values() if server.metadata.get(SYSTEM_KEY) == self.system]

    def mark(self, server_id: str, metadata: dict[str, str]) -> None:
        self._call("mark")
        server = self._server(server_id)
        if server.status != "ACTIVE":
            raise Temporary(f"{server_id} is {server.status}", brief="The cloud cannot do this now")
        self.servers[server_id] = replace(server, metadata=server.metadata | metadata)

    def give_address(self, server_id: str) -> None:
        self._call("give_address")
        if self.no_address is not None:
            raise self.no_address
        server = self._server(server_id)
        if self.has_floating and server.address is None:
            address = f"203.0.113.{len(self.things) + 1}"
            self.hold(Kind.FLOATING_IP, address, system=self.system, server_id=server_id)
            self.servers[server_id] = replace(server, address=address)

    def delete(self, server_id: str) -> None:
        self._call("delete")
        self.servers.pop(server_id, None)
        for key, held in list(self.things.items()):
            if (key[0], held.thing.server_id, held.system) == (Kind.FLOATING_IP, server_id, self.system):
                del self.things[key]

    def snapshot(self, server_id: str, *, name: str, properties: dict[str, str]) -> Image:
        self._call("snapshot")
        self._server(server_id)
        wanted = {**properties, SYSTEM_KEY: self.system, IMAGE_KEY: name}
        for image in self._images():
            if image.name == name and wanted.items() <= image.properties.items():
                return image
        made = Image(
            provider=self.name,
            id=f"{self.name}-image-{next(_NUMBERS)}",
            name=name,
            status="queued",
            properties=wanted,
            created_at=self.clock(),
        )
        self.snapshots[made.id] = made
        return made

    def images(self) -> Images:
        self._call("images")
        return self._images()

    def delete_image(self, image_id: str) -> None:
        self._call("delete_image")
        self.snapshots.pop(image_id, None)

    def leftovers(self, servers: Set[str]) -> Leftovers:
        self._call("leftovers")
        found = [
            held.thing
            for held in self.things.values()
            if held.system == self.system or (held.thing.kind is Kind.PORT and held.thing.server_id in servers)
        ]
        images = [
            Leftover(kind=Kind.IMAGE, id=image.id, name=image.name, created_at=image.created_at)
            for image in self._images()
        ]
        things = [thing for thing in found if self.has_volumes or thing.kind is not Kind.VOLUME] + images
        if self.unlisted:
            raise NotAllListed([thing for thing in things if thing.kind not in self.unlisted], self.unlisted)
        return things

    def delete_leftover(self, leftover: Leftover) -> None:
        self._call("delete_leftover")
        self.things.pop((leftover.kind, leftover.id), None)
        self.snapshots.pop(leftover.id, None)

    def console(self, server_id: str) -> str:
        self._call("console")
        self._server(server_id)
        return self.consoles.get(server_id, "")

    def limits(self) -> Limits:
        self._call("limits")
        used = len(self.servers)
        return Limits(servers=self.quota, servers_used=used, cores=None, cores_used=used, ram_mb=None, ram_mb_used=0)

    def check(self) -> None:
        self._call("check")

    def put(self, name: str, metadata: dict[str, str], *, zone: str = "") -> Server:
        """Put a server there, as another program would."""
        server = Server(
            provider=self.name,
            id=f"{self.name}-{next(_NUMBERS)}",
            name=name,
            status="BUILD",
            address=None,
            metadata=metadata,
            created_at=self.clock(),
            zone=zone,
        )
        self.servers[server.id] = server
        return server

    def hold(
        self, kind: Kind, id_: str, *, system: str | None, name: str = "", server_id: str | None = None
    ) -> Leftover:
        """Put a thing besides servers there, as another program would."""
        made_at = None if kind is Kind.KEYPAIR else self.clock()
        thing = Leftover(kind=kind, id=id_, name=name, server_id=server_id, created_at=made_at)
        self.things[kind, id_] = Held(thing=thing, system=system)
        return thing

    def settle(self) -> None:
        """Let every server that is being built become ACTIVE, or end in ERROR; and every image active."""
        self.snapshots.update({key: replace(image, status="active") for key, image in self.snapshots.items()})
        for server in list(self.servers.values()):
            if server.status != "BUILD":
                continue
            fault = self.fault or server.metadata.get("lab_fault")
            if fault:
                self.servers[server.id] = replace(server, status="ERROR", fault=f"aborted: {fault}")
            else:
                address = f"10.0.0.{len(self.consoles) + 1}"
                told = None if self.has_floating else address
                self.servers[server.id] = replace(server, status="ACTIVE", address=told)
                self.consoles[server.id] = f"booting\n{HOST_KEY} root@{server.name}\n"

    @contextmanager
    def failing(self, error: XenciError) -> Iterator[None]:
        """Fail every call within."""
        self.down = error
        yield
        self.down = None

    def _server(self, server_id: str) -> Server:
        if server_id not in self.servers:
            raise ServerMissing(server_id)
        return self.servers[server_id]

    def _images(self) -> Images:
        return [image for image in self.snapshots.values() if image.properties.get(SYSTEM_KEY) == self.system]

    def _of_size(self, size: Size) -> str:
        fitting = [n for n in self.flavors if FLAVORS[n][0] >= size.ram_gb and FLAVORS[n][1] >= size.vcpus]
        if not fitting:
            raise WrongSetup(str(size), brief="The cloud has no flavor of this size", remedy="ask for less")
        return min(fitting, key=lambda name: FLAVORS[name])

    def _call(self, name: str) -> None:
        self.calls.append(name)
        self.counts.add(Call(self.name, name, "fake"))
        if self.down is not None:
            raise self.down
