"""Nodes as domains: made, found, marked and deleted.

A domain is defined first, with our metadata, then its disk is made, then it is started: whatever dies between leaves
something that the list shows, that `create` goes on with and that `delete` removes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from xenci.clock import Clock
from xenci.config.models import Libvirt as Machine
from xenci.config.models import Provider as ProviderSettings
from xenci.config.models import Size as LibvirtSize
from xenci.errors import Temporary
from xenci.model.node import Server, Size
from xenci.providers import libvirt_domain as dom
from xenci.providers import libvirt_xml as xml
from xenci.providers.libvirt_marks import sealed
from xenci.providers.libvirt_pool import Pool
from xenci.providers.libvirt_sizes import find_size, missing
from xenci.providers.port import SYSTEM_KEY, Limits, NoCapacity, QuotaExceeded, ServerMissing, WrongSetup

_MB_PER_GB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A node that is asked for."""

    name: str
    image: str
    flavor: str | Size
    public_key: str
    #: with our system id
    metadata: dict[str, str]
    is_first: bool


class Nodes:
    """The nodes on a connection; every method may raise libvirt's errors."""

    def __init__(self, at: Any, settings: ProviderSettings, machine: Machine, system: str, clock: Clock) -> None:
        self._at = at
        self._settings = settings
        self._machine = machine
        self._system = system
        self._clock = clock

    def servers(self) -> list[Server]:
        """Return all servers of ours."""
        return [server for _, server in self._ours()]

    def find(self, server_id: str) -> Any:
        """Return the domain of ours with this UUID. Raises ServerMissing."""
        domain = self._at.lookupByUUIDString(server_id)
        if dom.owned(domain).metadata.get(SYSTEM_KEY) != self._system:
            raise ServerMissing(f"the domain {domain.name()} is not ours")
        return domain

    def create(self, wanted: Wanted, base: Any, pool: Pool, start: Callable[[Any], None]) -> Server:
        """Return the server, made or gone on with. `base` is the volume of its image."""
        size = find_size(self._machine, wanted.flavor)
        found = None if wanted.is_first else self._find(wanted)
        if found is None:
            self.network()
            self._refuse_if_full(size.ram_mb)
            found = self._define(wanted, size, pool)
        # a fault is told once: what could not be started is deleted and another node is asked for
        if dom.was_never_started(found) and not dom.owned(found).fault:
            try:
                pool.overlay(found.name(), base, (size.disk_gb or 0) * _MB_PER_GB**3)
                start(found)
            except dom.library_error() as error:
                if not found.isActive():
                    dom.write_fault(found, str(error))
        return self._server(found, dom.owned(found))

    def mark(self, server_id: str, metadata: dict[str, str]) -> None:
        """Write more metadata on a domain. Raises Temporary while it is not ACTIVE."""
        domain = self.find(server_id)
        own = dom.owned(domain)
        status = self._server(domain, own).status
        if status != "ACTIVE":
            raise Temporary(f"provider {self._settings.name}: {own.name} is {status}", brief="It cannot be marked now")
        dom.write_owned(domain, replace(own, metadata=own.metadata | metadata))

    def delete(self, server_id: str, pool: Pool) -> None:
        """Delete a domain of ours with its disk and its console; harmless if it is gone or not ours."""
        with dom.ignored("VIR_ERR_NO_DOMAIN"):
            domain = self._at.lookupByUUIDString(server_id)
            own = xml.owned(domain.XMLDesc(0))
            if own is None or own.metadata.get(SYSTEM_KEY) != self._system:
                return
            with dom.ignored("VIR_ERR_OPERATION_INVALID", "VIR_ERR_INTERNAL_ERROR"):
                # it does not run
                if domain.isActive():
                    domain.destroy()
            pool.remove(domain.name())
            dom.undefine(domain)

    def limits(self) -> Limits:
        """Return how many servers are allowed, and what the machine has; what all installations use counts."""
        told = [described for _, described in dom.domains(self._at) if xml.owned(described)]
        return Limits(
            servers=self._settings.max_servers,
            servers_used=len(told),
            cores=None,
            cores_used=sum(xml.vcpus(one) for one in told),
            ram_mb=int(self._at.getInfo()[1]),
            ram_mb_used=sum(xml.memory_mb(one) for one in told),
        )

    def network(self) -> None:
        """Raise WrongSetup unless the network is there and active."""
        there = {network.name(): network for network in self._at.listAllNetworks()}
        wanted = self._settings.network
        if wanted not in there:
            raise missing("network", wanted, sorted(there))
        if not there[wanted].isActive():
            remedy = f"virsh -c {self._machine.uri} net-start {wanted}"
            raise WrongSetup(repr(wanted), brief="The network is not active", remedy=remedy)

    def _find(self, wanted: Wanted) -> Any:
        """Return the domain with this name and all of this metadata, the oldest if there are several."""
        found = [
            (server.created_at, number, domain)
            for number, (domain, server) in enumerate(self._ours())
            if server.name == wanted.name and wanted.metadata.items() <= server.metadata.items()
        ]
        return min(found)[2] if found else None

    def _define(self, wanted: Wanted, size: LibvirtSize, pool: Pool) -> Any:
        name = sealed(self._system, wanted.name, wanted.metadata)
        described = xml.domain(
            own=xml.Owned(name=wanted.name, metadata=wanted.metadata, created_at=self._clock(), fault=""),
            name=name,
            size=size,
            machine=self._machine,
            network=self._settings.network,
            disk=pool.disk_of(name),
            console=pool.console_of(name),
            key=wanted.public_key,
        )
        with dom.ignored("VIR_ERR_OPERATION_FAILED", "VIR_ERR_DOM_EXIST"):
            return self._at.defineXML(described)
        # another step was faster: its domain is ours
        return self._at.lookupByName(name)

    def _refuse_if_full(self, ram_mb: int) -> None:
        limits = self.limits()
        name, used, there = self._settings.name, limits.ram_mb_used, limits.ram_mb or 0
        if limits.servers_used >= self._settings.max_servers:
            raise QuotaExceeded(
                f"provider {name}: {limits.servers_used} of {self._settings.max_servers} servers",
                remedy="it waits until servers are deleted; raise max_servers if the machine has room",
            )
        if used + ram_mb > there:
            raise NoCapacity(f"provider {name}: {used} of {there} MB are taken, {ram_mb} MB are asked for")

    def _ours(self) -> Iterator[tuple[Any, Server]]:
        for domain, described in dom.domains(self._at):
            own = xml.owned(described)
            if own is not None and own.metadata.get(SYSTEM_KEY) == self._system:
                with dom.ignored("VIR_ERR_NO_DOMAIN"):
                    yield domain, self._server(domain, own)

    def _server(self, domain: Any, own: xml.Owned) -> Server:
        address = dom.address(domain)
        status, words = dom.status(domain, own, has_address=address is not None)
        return Server(
            provider=self._settings.name,
            id=domain.UUIDString(),
            name=own.name,
            status=status,
            address=address,
            metadata=own.metadata,
            created_at=own.created_at,
            fault=words,
        )
