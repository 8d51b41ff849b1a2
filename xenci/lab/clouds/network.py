"""How a server is reached: the port of SSH at its fixed address, and the tenant's key.

A server's fixed address is an address of this host's loopback, where QEMU listens for it. A program of this host that
listens on port 22 of *all* addresses (its own SSH server, as a rule) is in the way of every machine: then the machines'
SSH gets another port, and the person is told.
"""

import errno
import shutil
import socket
import subprocess
from pathlib import Path

from xenci.errors import Permanent
from xenci.lab.clouds.layout import Cloud, state
from xenci.lab.paths import CLOUDS, LabPaths
from xenci.lab.progress import say

#: Where SSH answers in a machine, and at its fixed address unless that is taken.
SSH = 22
#: How far above the lab's first port SSH answers otherwise.
_OTHER = 22


class AddressesNotUsable(Permanent):
    """The servers' fixed addresses cannot be listened on."""


def ssh_port(paths: LabPaths) -> int:
    """Return the port of SSH at the servers' fixed addresses: 22, or another if a program listens there on all.

    Decided once for a lab's state, as machines that run keep theirs. Raises AddressesNotUsable.
    """
    decided = state(paths) / "ssh_port"
    if decided.exists():
        return int(decided.read_text())
    port = free_port([SSH, paths.port + _OTHER], [f"{Cloud.of(paths, name).net}.255.254" for name in CLOUDS])
    if port != SSH:
        say(f"port {SSH} is taken on all addresses of this host: SSH of the clouds' servers is at port {port}")
    decided.parent.mkdir(parents=True, exist_ok=True)
    decided.write_text(str(port))
    return port


def free_port(candidates: list[int], addresses: list[str]) -> int:
    """Return the first port that can be listened on at all addresses."""
    for port in candidates:
        try:
            for address in addresses:
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind((address, port))
                    probe.listen()
            return port
        except PermissionError as error:
            raise AddressesNotUsable(
                f"{address}, port {port}: {error.strerror}",
                remedy=f"run the lab as root, or allow it: sysctl net.ipv4.ip_unprivileged_port_start={SSH}",
            ) from error
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise AddressesNotUsable(
                    f"{address}, port {port}: {error.strerror}", remedy="choose another XENCI_LAB_PORT below 25500"
                ) from error
    raise AddressesNotUsable(
        f"ports {candidates} are taken on all addresses",
        remedy="end one of these programs or let it listen on one address only (sshd: ListenAddress)",
    )


def tenant_key(paths: LabPaths) -> Path:
    """Return the public half of the tenant's SSH key; make the pair (`keys/tenant`, mode 600) at the first time."""
    private = paths.keys / "tenant"
    if not private.exists():
        paths.keys.mkdir(parents=True, exist_ok=True)
        new = paths.keys / "tenant.new"
        for leftover in (new, new.with_name("tenant.new.pub")):
            leftover.unlink(missing_ok=True)
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "tenant of the lab", "-f", str(new)], check=True
        )
        shutil.move(new.with_name("tenant.new.pub"), private.with_suffix(".pub"))
        new.rename(private)
    return private.with_suffix(".pub")
