"""What libvirt says of a domain, as a server: its status, its address, why it does not run."""

import contextlib
from collections.abc import Iterator
from typing import Any

import structlog

from xenci.providers import libvirt_xml as xml
from xenci.providers.port import ServerMissing

_LOG = structlog.get_logger()


def domains(connection: Any) -> Iterator[tuple[Any, str]]:
    """Return every domain with its XML; one that vanishes meanwhile is left out."""
    for domain in connection.listAllDomains():
        with ignored("VIR_ERR_NO_DOMAIN"):
            yield domain, domain.XMLDesc(0)


def owned(domain: Any) -> xml.Owned:
    """Return what our element says of a domain of ours. Raises ServerMissing if it has none."""
    own = xml.owned(domain.XMLDesc(0))
    if own is None:
        raise ServerMissing(f"the domain {domain.name()} is not ours")
    return own


def library_error() -> type[Exception]:
    """Return the class of libvirt's own errors."""
    import libvirt

    error: type[Exception] = libvirt.libvirtError
    return error


def was_never_started(domain: Any) -> bool:
    """Tell whether a domain was defined and nothing more: libvirt knows no reason why it is off."""
    import libvirt

    return bool(domain.state() == [libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_UNKNOWN])


def status(domain: Any, own: xml.Owned, *, has_address: bool) -> tuple[str, str]:
    """Return Nova's word for a domain's state, and the fault if it is ERROR. Without an address it still boots."""
    import libvirt

    if own.fault:
        return "ERROR", own.fault
    state, reason = domain.state()
    if state in (libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_BLOCKED):
        return ("ACTIVE" if has_address else "BUILD"), ""
    if state in (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PMSUSPENDED):
        return "PAUSED", ""
    if state == libvirt.VIR_DOMAIN_CRASHED or reason in (
        libvirt.VIR_DOMAIN_SHUTOFF_CRASHED,
        libvirt.VIR_DOMAIN_SHUTOFF_FAILED,
    ):
        return "ERROR", "the domain crashed, or its emulator ended"
    # one that was defined and not started yet is on its way
    return ("BUILD" if was_never_started(domain) else "SHUTOFF"), ""


def address(domain: Any) -> str | None:
    """Return the first IPv4 address that libvirt's network leased, or that answered on it, while it runs."""
    import libvirt

    if not domain.isActive():
        return None
    with ignored("VIR_ERR_OPERATION_INVALID", "VIR_ERR_NO_SUPPORT", "VIR_ERR_OPERATION_UNSUPPORTED"):
        leased = _first(domain.interfaceAddresses(libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE))
        return leased or _neighbour(domain)
    return None


def _neighbour(domain: Any) -> str | None:
    """Return an address of the host's ARP table, for networks that lease none; libvirt fails where it is empty."""
    import libvirt

    try:
        return _first(domain.interfaceAddresses(libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP))
    except libvirt.libvirtError as error:
        _LOG.debug("provider.no_neighbours", domain=domain.name(), error=str(error))
        return None


def _first(links: dict[str, Any]) -> str | None:
    import libvirt

    for link in links.values():
        for entry in link.get("addrs") or ():
            if entry.get("type") == libvirt.VIR_IP_ADDR_TYPE_IPV4:
                return str(entry["addr"])
    return None


def write_fault(domain: Any, words: str) -> None:
    """Write into a domain why it could not be started."""
    import libvirt

    domain.setMetadata(
        libvirt.VIR_DOMAIN_METADATA_ELEMENT,
        xml.fault(words),
        "xenci-fault",
        xml.FAULT_SPACE,
        libvirt.VIR_DOMAIN_AFFECT_CONFIG,
    )


def write_owned(domain: Any, own: xml.Owned) -> None:
    """Write our element of a running domain anew."""
    import libvirt

    # libvirt adds the name space of this prefix itself
    where = libvirt.VIR_DOMAIN_AFFECT_LIVE | libvirt.VIR_DOMAIN_AFFECT_CONFIG
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, xml.node(own), "xenci-node", xml.SPACE, where)


def undefine(domain: Any) -> None:
    """Forget a domain, with whatever libvirt kept for it; a driver that keeps nothing refuses to be asked for that."""
    import libvirt

    kept = (
        libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
        | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
    )
    try:
        domain.undefineFlags(kept)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_INVALID_ARG:
            raise
        domain.undefine()


@contextlib.contextmanager
def ignored(*names: str) -> Iterator[None]:
    """Let libvirt's errors of these names pass."""
    import libvirt

    try:
        yield
    except libvirt.libvirtError as error:
        if error.get_error_code() not in {getattr(libvirt, name) for name in names}:
            raise
