"""Who listens on a TCP port of this machine, as the kernel tells it."""

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

_LISTEN = "0A"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A taken port."""

    port: int
    #: None where this user may not see whose socket it is
    pid: int | None
    #: the command's first words, empty if unknown
    command: str

    def __str__(self) -> str:
        who = f"pid {self.pid} ({self.command})" if self.pid is not None else "a process of another user"
        return f"port {self.port} is taken by {who}"


def on(ports: Collection[int]) -> list[Listener]:
    """Return the listeners on these ports that a server on 127.0.0.1 would collide with, in the order of the ports."""
    inodes = _inodes(ports)
    owners = _owners(set(inodes.values())) if inodes else {}
    found = []
    for port, inode in sorted(inodes.items()):
        pid = owners.get(inode)
        found.append(Listener(port=port, pid=pid, command=_command(pid)))
    return found


def parse(table: str) -> dict[int, str]:
    """Return the socket inodes by listening port of a table like /proc/net/tcp, other loopback ones left out."""
    found = {}
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 9 and fields[3] == _LISTEN:
            address, port = fields[1].rsplit(":", 1)
            if not _is_other_loopback(address):
                found[int(port, 16)] = fields[9]
    return found


def _is_other_loopback(address: str) -> bool:
    """Tell 127.x.y.z other than 127.0.0.1 (the table has IPv4 in the machine's byte order, little-endian here)."""
    return len(address) == 8 and address.endswith("7F") and address != "0100007F"


def _inodes(ports: Collection[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for name in ("tcp6", "tcp"):
        try:
            found |= parse(Path(f"/proc/net/{name}").read_text())
        except FileNotFoundError:
            continue  # a kernel without IPv6
    return {port: inode for port, inode in found.items() if port in ports}


def _owners(inodes: set[str]) -> dict[str, int]:
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    owners: dict[str, int] = {}
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        for link in _links(process / "fd"):
            if link in wanted:
                owners.setdefault(wanted[link], int(process.name))
    return owners


def _links(folder: Path) -> Iterator[str]:
    """Yield what a process has open; files come and go meanwhile, and so do processes."""
    try:
        files = list(folder.iterdir())
    except OSError:
        return  # it ended, or belongs to somebody else
    for file in files:
        try:
            yield os.readlink(file)
        except OSError:
            continue


def _command(pid: int | None) -> str:
    if pid is None:
        return ""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return b" ".join(words[:3]).decode(errors="replace").strip()[:80]
