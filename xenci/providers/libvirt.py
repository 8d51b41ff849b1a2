"""The driver for machines of one's own, by libvirt-python: a laptop, or a host without a cloud around it.

A domain is defined first, with our metadata, then its disk is made, then it is started: a domain is the root of all
that there is of a node, so whatever dies between leaves something that the list shows, `create` goes on with and
`delete` removes. A call into libvirt may hang and cannot be interrupted, so it is made in a thread that is left behind
when it takes longer than `api_timeout`; the connection is then made anew. The library is imported at the first call.
"""

import hashlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from xenci.clock import Clock, now
from xenci.config.models import Libvirt as Machine
from xenci.config.models import Provider as ProviderSettings
from xenci.errors import XenciError
from xenci.model.node import Server
from xenci.providers import libvirt_domain as dom
from xenci.providers import libvirt_xml as xml
from xenci.providers.libvirt_errors import translated
from xenci.providers.libvirt_pool import Pool, find_size, missing
from xenci.providers.port import (
    SYSTEM_KEY,
    ApiDown,
    Limits,
    NoCapacity,
    Provider,
    QuotaExceeded,
    Servers,
    WrongSetup,
)

_T = TypeVar("_T")
_MB_PER_GB = 1024


def open_provider(settings: ProviderSettings, *, system: str) -> Provider:
    """Return the provider; libvirt is not called before it is needed."""
    return Libvirt(settings, system=system)


class Libvirt:
    """One machine; see `port.Provider` for what the methods promise."""

    def __init__(self, settings: ProviderSettings, *, system: str, clock: Clock = now) -> None:
        if settings.libvirt is None:
            raise WrongSetup(f"provider {settings.name}", brief="A provider of the driver libvirt has no key libvirt")
        self._settings = settings
        self._machine: Machine = settings.libvirt
        self._system = system
        self._clock = clock
        self._lock = threading.Lock()
        self._connection: Any = None

    @property
    def name(self) -> str:
        return self._settings.name

    def create(self, *, name: str, image: str, flavor: str, public_key: str, metadata: dict[str, str]) -> Server:
        metadata = {**metadata, SYSTEM_KEY: self._system}
        digest = hashlib.sha256(xml.metadata_digest(metadata).encode()).hexdigest()[:12]
        return self._call(
            f"creating {name}",
            lambda at: self._create(at, name, f"{name}.{digest}", image, flavor, public_key, metadata),
        )

    def list(self) -> Servers:
        return self._call("listing domains", lambda at: [server for _, server in self._ours(at)])

    def delete(self, server_id: str) -> None:
        def delete(at: Any) -> None:
            with dom.ignored("VIR_ERR_NO_DOMAIN"):
                domain = at.lookupByUUIDString(server_id)
                own = xml.owned(domain.XMLDesc(0))
                if own is None or own.metadata.get(SYSTEM_KEY) != self._system:
                    return
                with dom.ignored("VIR_ERR_OPERATION_INVALID", "VIR_ERR_INTERNAL_ERROR"):
                    # it does not run
                    if domain.isActive():
                        domain.destroy()
                Pool(at, self._machine.pool).remove(domain.name())
                dom.undefine(domain)

        self._call(f"deleting {server_id}", delete)

    def console(self, server_id: str) -> str:
        def read(at: Any) -> str:
            domain = at.lookupByUUIDString(server_id)
            dom.owned(domain)
            return Pool(at, self._machine.pool).console(domain.name())

        return self._call(f"reading the console of {server_id}", read)

    def limits(self) -> Limits:
        def read(at: Any) -> Limits:
            told = [described for domain, described in dom.domains(at) if xml.owned(described)]
            host = at.getInfo()
            return Limits(
                servers=self._settings.max_servers,
                servers_used=len(told),
                cores=None,
                cores_used=sum(xml.vcpus(one) for one in told),
                ram_mb=int(host[1]),
                ram_mb_used=sum(xml.memory_mb(one) for one in told),
            )

        return self._call("reading the limits", read)

    def check(self) -> None:
        self._call("checking the setup", self._check)

    def _check(self, at: Any) -> None:
        wrong: list[XenciError] = []
        wants: list[Callable[[], object]] = [lambda: self._network(at)]
        for label in self._settings.labels:
            wants.append(lambda label=label: Pool(at, self._machine.pool).image(label.image))  # type: ignore[misc]
            wants.append(lambda label=label: find_size(self._machine, label.flavor))  # type: ignore[misc]
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

    def _create(
        self, at: Any, name: str, domain_name: str, image: str, flavor: str, key: str, metadata: dict[str, str]
    ) -> Server:
        pool, size = Pool(at, self._machine.pool), find_size(self._machine, flavor)
        found = self._find(at, domain_name)
        if found is None:
            base = pool.image(image)
            self._network(at)
            self._refuse_if_full(at, size.ram_mb)
            found = self._define(at, pool, name, domain_name, size, key, metadata)
        else:
            base = pool.image(image)
        # a fault is told once: what could not be started is deleted and another node is asked for
        if dom.was_never_started(found) and not dom.owned(found).fault:
            try:
                pool.overlay(domain_name, base, (size.disk_gb or 0) * _MB_PER_GB**3)
                self._start(found)
            except dom.library_error() as error:
                if not found.isActive():
                    dom.write_fault(found, str(error))
        return self._server(found, dom.owned(found))

    def _define(
        self, at: Any, pool: Pool, name: str, domain_name: str, size: Any, key: str, metadata: dict[str, str]
    ) -> Any:
        described = xml.domain(
            own=xml.Owned(name=name, metadata=metadata, created_at=self._clock(), fault=""),
            name=domain_name,
            size=size,
            machine=self._machine,
            network=self._settings.network,
            disk=pool.disk_of(domain_name),
            console=pool.console_of(domain_name),
            key=key,
        )
        with dom.ignored("VIR_ERR_OPERATION_FAILED", "VIR_ERR_DOM_EXIST"):
            return at.defineXML(described)
        # another step was faster: its domain is ours
        return at.lookupByName(domain_name)

    def _start(self, domain: Any) -> None:
        domain.create()

    def _refuse_if_full(self, at: Any, ram_mb: int) -> None:
        ours = [described for _, described in dom.domains(at) if xml.owned(described)]
        if len(ours) >= self._settings.max_servers:
            raise QuotaExceeded(
                f"provider {self.name}: {len(ours)} of {self._settings.max_servers} servers",
                remedy="it waits until servers are deleted; raise max_servers if the machine has room",
            )
        used, there = sum(xml.memory_mb(one) for one in ours), int(at.getInfo()[1])
        if used + ram_mb > there:
            raise NoCapacity(f"provider {self.name}: {used} of {there} MB are taken, {ram_mb} MB are asked for")

    def _find(self, at: Any, domain_name: str) -> Any:
        with dom.ignored("VIR_ERR_NO_DOMAIN"):
            return at.lookupByName(domain_name)
        return None

    def _network(self, at: Any) -> None:
        there = {network.name(): network for network in at.listAllNetworks()}
        wanted = self._settings.network
        if wanted not in there:
            raise missing("network", wanted, sorted(there))
        if not there[wanted].isActive():
            remedy = f"virsh -c {self._machine.uri} net-start {wanted}"
            raise WrongSetup(repr(wanted), brief="The network is not active", remedy=remedy)

    def _ours(self, at: Any) -> Iterator[tuple[Any, Server]]:
        for domain, described in dom.domains(at):
            own = xml.owned(described)
            if own is not None and own.metadata.get(SYSTEM_KEY) == self._system:
                with dom.ignored("VIR_ERR_NO_DOMAIN"):
                    yield domain, self._server(domain, own)

    def _server(self, domain: Any, own: xml.Owned) -> Server:
        address = dom.address(domain)
        status, words = dom.status(domain, own, has_address=address is not None)
        return Server(
            provider=self.name,
            id=domain.UUIDString(),
            name=own.name,
            status=status,
            address=address,
            metadata=own.metadata,
            created_at=own.created_at,
            fault=words,
        )

    def _call(self, doing: str, call: Callable[[Any], _T]) -> _T:
        """Make a call with an end. Its result or error comes from a thread that is left behind when it hangs."""
        results: list[_T] = []
        errors: list[BaseException] = []

        def work() -> None:
            try:
                with translated(self.name, self._machine.uri, doing):
                    results.append(call(self._connect()))
            except BaseException as error:  # noqa: BLE001 it is raised again below, in the caller's thread
                errors.append(error)

        thread = threading.Thread(target=work, daemon=True, name=f"libvirt-{self.name}")
        thread.start()
        thread.join(self._settings.api_timeout.total_seconds())
        if results:
            return results[0]
        if not errors:
            self._disconnect()
            limit = self._settings.api_timeout.total_seconds()
            raise ApiDown(f"provider {self.name}, {doing}: no answer within {limit:g} s")
        if isinstance(errors[0], ApiDown | WrongSetup) and errors[0].__cause__ is not None:
            self._disconnect()
        raise errors[0]

    def _connect(self) -> Any:
        import libvirt

        with self._lock:
            if self._connection is None:
                # it would write every error to standard error besides
                libvirt.registerErrorHandler(lambda _context, _error: None, None)
                self._connection = libvirt.open(self._machine.uri)
            return self._connection

    def _disconnect(self) -> None:
        """Forget the connection; what still uses it in another thread keeps it until it has ended."""
        self._connection = None
