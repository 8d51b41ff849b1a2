"""The machines of the clouds: which QEMU processes run, for which server, and how to end them.

A machine makes itself a daemon and outlives the Nova that started it, so no list of ours can know them all. What can is
the kernel: each one's command line names its pid file below its cloud's folder. That holds after any crash, and no
other program's process can be taken for one.
"""

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from xenci.lab.clouds.layout import Cloud


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One running QEMU machine."""

    cloud: str
    #: the server's UUID in Nova
    server: str
    pid: int
    #: proportional set size: what ending it would free
    memory_mb: float
    #: the server's fixed addresses, on this host's loopback
    addresses: tuple[str, ...]


def running(cloud: Cloud) -> list[Machine]:
    """Return the machines of a cloud that run."""
    return [
        Machine(
            cloud=cloud.name,
            server=server,
            pid=pid,
            memory_mb=_memory_mb(pid),
            addresses=_addresses(cloud.machines / server),
        )
        for pid, server in _processes(cloud.machines)
    ]


def folders(cloud: Cloud) -> list[str]:
    """Return the UUIDs of the servers that have a disk, whether or not they run."""
    return sorted(path.parent.name for path in cloud.machines.glob("*/disk.qcow2"))


def end_all(cloud: Cloud, *, patience: float = 5.0) -> int:
    """End all machines of a cloud, after `patience` seconds by force; return how many there were.

    Their folders stay: the servers come back as SHUTOFF.
    """
    ended = set()
    limit = time.monotonic() + patience
    while found := [pid for pid, _ in _processes(cloud.machines)]:
        late = time.monotonic() > limit
        for pid in found:
            if late or pid not in ended:
                _kill(pid, signal.SIGKILL if late else signal.SIGTERM)
        ended.update(found)
        time.sleep(0.1)
    return len(ended)


def _processes(folder: Path) -> Iterator[tuple[int, str]]:
    """Find the QEMU processes whose pid file lies below a folder: pid and the server's UUID."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue  # it ended meanwhile
        if "-pidfile" in words[:-1] and "qemu" in words[0]:
            pid_file = Path(words[words.index("-pidfile") + 1])
            if pid_file.parent.parent == folder:
                yield int(entry.name), pid_file.parent.name


def _kill(pid: int, what: signal.Signals) -> None:
    try:
        os.kill(pid, what)
    except ProcessLookupError:
        return


def _memory_mb(pid: int) -> float:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in rollup.splitlines() if line.startswith("Pss:")), 0.0)


def _addresses(folder: Path) -> tuple[str, ...]:
    try:
        return tuple(json.loads((folder / "machine.json").read_text())["addresses"])
    except (FileNotFoundError, ValueError, KeyError):
        return ()
