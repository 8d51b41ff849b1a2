"""Machines restored from the golden images, outside any cloud."""

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from xenci.lab import images
from xenci.lab.images.machine import Machine, remove, restore
from xenci.lab.paths import LabPaths


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A restored machine that answers on its SSH port."""

    machine: Machine
    port: int
    key: Path

    @property
    def options(self) -> list[str]:
        """What ssh needs to get in, the host name apart: one connection for all, as a new one is dear when emulated."""
        quiet = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR")
        one = ("ControlMaster=auto", f"ControlPath={self.machine.folder}/%r", "ControlPersist=yes", "ConnectTimeout=60")
        pairs = [part for option in (*quiet, *one) for part in ("-o", option)]
        return ["-i", str(self.key), "-p", str(self.port), *pairs]

    def run(self, command: str, *, user: str = "root") -> "subprocess.CompletedProcess[str]":
        """Run a shell command in the machine."""
        return subprocess.run(
            ["ssh", *self.options, f"{user}@127.0.0.1", command],
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
            stdin=subprocess.DEVNULL,
        )

    def told(self, command: str, *, user: str = "root") -> str:
        """Return what a command prints, which must not fail."""
        done = self.run(command, user=user)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@contextmanager
def restored(image: str, folder: Path) -> Iterator[Reached]:
    """Restore a machine in a new folder, wait until SSH answers, and end it afterwards."""
    golden = images.ensure(LabPaths.of_environment(), image)
    key = folder.with_name(f"{folder.name}.key")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    with socket.create_server(("127.0.0.1", 0)) as chosen:
        port = int(chosen.getsockname()[1])
    try:
        machine = restore(golden, folder, ssh_port=port, public_key=key.with_suffix(".key.pub").read_text())
        reached = Reached(machine=machine, port=port, key=key)
        limit = time.monotonic() + 900
        while (first := reached.run("true")).returncode:
            assert time.monotonic() < limit, first.stderr
            time.sleep(0.5)
        yield reached
    finally:
        remove(folder)


@contextmanager
def door_on_this_host() -> Iterator[int]:
    """Listen on this host's loopback, at a port that is tried from here first: it says OPEN to whoever comes."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def welcome() -> None:
            while True:
                try:
                    guest, _ = door.accept()
                except OSError:
                    return
                with guest:
                    guest.sendall(b"OPEN")

        threading.Thread(target=welcome, daemon=True).start()
        port = int(door.getsockname()[1])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as tried:
            assert tried.recv(4) == b"OPEN"
        yield port
