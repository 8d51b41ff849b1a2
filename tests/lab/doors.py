"""Ways into machines that were restored outside of any cloud, as only SSH matters: their consoles told their keys."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xenci.host.connection import SshHost, connect
from xenci.host.door import Door
from xenci.host.keys import host_keys_of_console
from xenci.host.port import HostLost
from xenci.lab import images
from xenci.lab.images.machine import remove, restore
from xenci.lab.paths import LabPaths


def make_key(folder: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key"], check=True)
    return folder / "key"


@contextmanager
def restored(image: str, folder: Path) -> Iterator[Door]:
    """Restore a machine, wait until SSH lets us in by the key that its console told, and end it afterwards."""
    golden, key = images.ensure(LabPaths.of_environment(), image), make_key(folder)
    with socket.create_server(("127.0.0.1", 0)) as chosen:
        port = int(chosen.getsockname()[1])
    try:
        machine = restore(golden, folder / "m", ssh_port=port, public_key=key.with_suffix(".pub").read_text())
        limit = time.monotonic() + 900
        while True:
            keys = host_keys_of_console(machine.console.read_text(errors="replace"))
            door = Door(address="127.0.0.1", port=port, user="root", key=key, host_key=keys[0] if keys else "")
            try:
                if keys:
                    entered(door).close()
                    break
            except HostLost:
                assert time.monotonic() < limit, "SSH does not answer"
            time.sleep(0.5)
        yield door
    finally:
        remove(folder / "m")


def entered(door: Door) -> SshHost:
    return connect(door.address, user=door.user, key=door.key, host_key=door.host_key, port=door.port)
