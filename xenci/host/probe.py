"""A program that asks a node's libvirt through a local socket: `python -m xenci.host.probe SOCKET facts|domains`.

A call into libvirt can hang for ever and cannot be interrupted from Python, so it is made in a process that can be
ended. It prints one JSON object; a failure is `{"error": ..}` and exit code 1.
"""

import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from typing import Any

import libvirt

_STATES = ("nostate", "running", "blocked", "paused", "shutdown", "shutoff", "crashed", "pmsuspended")


def facts(connection: Any) -> dict[str, Any]:
    """What libvirt tells about the host. `libvirt` is the daemon's version, `hypervisor` Xen's, as libvirt numbers."""
    _, memory_mb, cpus, *_ = connection.getInfo()
    capabilities = ElementTree.fromstring(connection.getCapabilities())
    return {
        "uri": daemon_uri(connection.getURI()),
        "type": connection.getType(),
        "hostname": connection.getHostname(),
        "libvirt": connection.getLibVersion(),
        "hypervisor": connection.getVersion(),
        "cpus": cpus,
        "memory_mb": memory_mb,
        "os_types": sorted({element.text or "" for element in capabilities.findall("guest/os_type")}),
        **domains(connection),
    }


def daemon_uri(uri: str) -> str:
    """Take our way to the daemon off a URI: what it drives is left."""
    return re.sub(r"^(\w+)\+unix:(//[^?]*).*$", r"\1:\2", uri)


def domains(connection: Any) -> dict[str, Any]:
    """Every domain that libvirt knows, running or not."""
    found = []
    for domain in connection.listAllDomains(0):
        try:
            state = domain.state()[0]
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                continue
            raise
        name = _STATES[state] if state < len(_STATES) else str(state)
        found.append({"uuid": domain.UUIDString(), "name": domain.name(), "id": domain.ID(), "state": name})
    return {"domains": found}


_ASKED: dict[str, Callable[[Any], dict[str, Any]]] = {"facts": facts, "domains": domains}


def main(socket: str, asked: str) -> int:
    """Connect, ask, print. Returns the exit code."""
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    try:
        connection = libvirt.open(f"xen+unix:///system?socket={socket}")
        said = _ASKED[asked](connection)
    except libvirt.libvirtError as error:
        said = {"error": str(error)}
    sys.stdout.write(json.dumps(said))
    return 1 if "error" in said else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
