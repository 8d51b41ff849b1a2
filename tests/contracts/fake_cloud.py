"""A cloud in memory that keeps the provider's contract; its world is moved on by hand."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from xenci.clock import Clock, now
from xenci.errors import XenciError
from xenci.model.node import Server
from xenci.providers.port import (
    SYSTEM_KEY,
    Limits,
    QuotaExceeded,
    ServerMissing,
    Servers,
    WrongSetup,
)

#: the host key that every console tells
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIErAcUwUrj6ET4+52KEJPUslLc0PAbGIYz0xvjjMqiPc"
_NUMBERS = itertools.count(1)


class FakeCloud:
    """One provider. What is in `servers` is there, whoever put it there."""

    def __init__(self, name: str = "ca", *, system: str = "test", clock: Clock = now) -> None:
        self.name = name
        self.system = system
        self.clock = clock
        self.images = ["standin", "xen"]
        self.flavors = ["small", "large"]
        self.quota: int | None = 10
        self.servers: dict[str, Server] = {}
        self.consoles: dict[str, str] = {}
        #: raised by every call
        self.down: XenciError | None = None
        #: raised by `create` after the server was made
        self.forgetful: XenciError | None = None
        #: the words of the next servers' ERROR
        self.fault = ""
        self.calls: list[str] = []

    def create(self, *, name: str, image: str, flavor: str, public_key: str, metadata: dict[str, str]) -> Server:
        self._call("create")
        metadata = {**metadata, SYSTEM_KEY: self.system}
        for server in self.servers.values():
            if server.name == name and metadata.items() <= server.metadata.items():
                return server
        for kind, wanted, there in (("image", image, self.images), ("flavor", flavor, self.flavors)):
            if wanted not in there:
                remedy = f"did you mean {there[0]!r}? the cloud has {', '.join(there)}"
                raise WrongSetup(repr(wanted), brief=f"The cloud has no {kind} of this name", remedy=remedy)
        if self.quota is not None and len(self.servers) >= self.quota:
            raise QuotaExceeded(f"provider {self.name}: {len(self.servers)} of {self.quota}")
        server = self.put(name, metadata)
        if self.forgetful is not None:
            raise self.forgetful
        return server

    def list(self) -> Servers:
        self._call("list")
        return [server for server in self.servers.values() if server.metadata.get(SYSTEM_KEY) == self.system]

    def delete(self, server_id: str) -> None:
        self._call("delete")
        self.servers.pop(server_id, None)

    def console(self, server_id: str) -> str:
        self._call("console")
        if server_id not in self.servers:
            raise ServerMissing(server_id)
        return self.consoles.get(server_id, "")

    def limits(self) -> Limits:
        self._call("limits")
        used = len(self.servers)
        return Limits(servers=self.quota, servers_used=used, cores=None, cores_used=used, ram_mb=None, ram_mb_used=0)

    def check(self) -> None:
        self._call("check")

    def put(self, name: str, metadata: dict[str, str]) -> Server:
        """Put a server there, as another program would."""
        server = Server(
            provider=self.name,
            id=f"{self.name}-{next(_NUMBERS)}",
            name=name,
            status="BUILD",
            address=None,
            metadata=metadata,
            created_at=self.clock(),
        )
        self.servers[server.id] = server
        return server

    def settle(self) -> None:
        """Let every server that is being built become ACTIVE, or end in ERROR."""
        for server in list(self.servers.values()):
            if server.status != "BUILD":
                continue
            fault = self.fault or server.metadata.get("lab_fault")
            if fault:
                self.servers[server.id] = replace(server, status="ERROR", fault=f"aborted: {fault}")
            else:
                address = f"10.0.0.{len(self.consoles) + 1}"
                self.servers[server.id] = replace(server, status="ACTIVE", address=address)
                self.consoles[server.id] = f"booting\n{HOST_KEY} root@{server.name}\n"

    @contextmanager
    def failing(self, error: XenciError) -> Iterator[None]:
        """Fail every call within."""
        self.down = error
        yield
        self.down = None

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if self.down is not None:
            raise self.down
