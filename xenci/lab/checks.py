"""What the lab needs of this machine, all asked before anything starts: each problem with its remedy.

A person who has four things to put right is told of all four at once, not one after each attempt.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from xenci.errors import Permanent
from xenci.lab import clouds, images, listeners, processes
from xenci.lab.paths import LabPaths

#: what up needs beside the caches: two clouds, Gerrit, xenci and two nodes
MEMORY_GB = 10.0
#: with everything cached, for what runs; without, for what is made
DISK_GB, DISK_TO_MAKE_GB = 5.0, 15.0
#: machines' sockets lie this much deeper than the state: /clouds/ca/machines/UUID/agent.sock of at most 107 bytes
_LONGEST_STATE = 107 - len("/clouds/ca/machines/") - 36 - len("/agent.sock")

#: program -> Debian package
TOOLS = {
    "java": "openjdk-17-jre-headless",
    "mvn": "maven",
    "git": "git",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "zstd": "zstd",
    "debootstrap": "debootstrap",
    "setpriv": "util-linux",
    "unshare": "util-linux",
    "mke2fs": "e2fsprogs",
    "cpio": "cpio",
}
#: an unprivileged shell may lack these, where some of the programs are
_SEARCH = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that must be put right first."""

    what: str
    remedy: str


class CannotStart(Permanent):
    """The lab cannot start."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{problem.what}. {problem.remedy}." for problem in self.problems))


def require(paths: LabPaths) -> None:
    """Raise CannotStart with every problem of this machine."""
    if problems := find(paths):
        raise CannotStart(problems)


def find(paths: LabPaths) -> list[Problem]:
    """Return every problem of this machine; empty means that the lab can start."""
    found = [*_root(), *_tools(), *_places(paths), *ports(paths)]
    found += memory(_available_gb(), held_gb(paths))
    found += disk(paths.cache, _free_gb(paths.cache), DISK_TO_MAKE_GB if _to_make(paths) else DISK_GB)
    found += disk(paths.state, _free_gb(paths.state), DISK_GB)
    return found


def memory(available_gb: float, held: float) -> list[Problem]:
    """Judge the memory: what is available and what this very lab holds already must make MEMORY_GB."""
    if available_gb + held >= MEMORY_GB:
        return []
    what = f"{available_gb:.1f} GB of memory are available, the lab needs {MEMORY_GB:.0f} GB"
    return [Problem(what=what, remedy="End other programs, or another lab (`xenci lab down` with its XENCI_LAB_DIR)")]


def disk(place: Path, free_gb: float, needed_gb: float) -> list[Problem]:
    """Judge the disk below a folder."""
    if free_gb >= needed_gb:
        return []
    what = f"{free_gb:.1f} GB of disk are free at {place}, the lab needs {needed_gb:.0f} GB there"
    return [Problem(what=what, remedy="Make room, or choose another place by XENCI_LAB_DIR and XENCI_CACHE_DIR")]


def tools(missing: Iterable[str]) -> list[Problem]:
    """Name the programs that are missing and how to get them."""
    names = sorted(missing)
    if not names:
        return []
    packages = " ".join(sorted({TOOLS[name] for name in names}))
    return [Problem(what=f"missing programs: {', '.join(names)}", remedy=f"apt-get install {packages}")]


def held_gb(paths: LabPaths) -> float:
    """Return the memory that this lab's processes and machines hold, GB."""
    ours = sum(p.memory_mb for p in processes.all_of(paths.run) if p.lives)
    return (ours + sum(m.memory_mb for m in clouds.running_machines(paths))) / 1024


def all_ports(paths: LabPaths) -> list[int]:
    """Return every TCP port that this lab listens on, on 127.0.0.1."""
    return [paths.gerrit_http, paths.gerrit_ssh, paths.web, *clouds.ports(paths)]


def _root() -> Iterator[Problem]:
    if os.geteuid() != 0:
        what = "only root can bring it up: images are made in a root of their own, and servers listen on port 22"
        yield Problem(what=what, remedy="Run it with sudo")


def _tools() -> list[Problem]:
    return tools(name for name in TOOLS if shutil.which(name, path=_SEARCH) is None)


def _places(paths: LabPaths) -> Iterator[Problem]:
    if len(str(paths.state)) > _LONGEST_STATE:
        what = f"{paths.state} is too long a path for the machines' Unix sockets"
        yield Problem(what=what, remedy=f"Choose one of at most {_LONGEST_STATE} letters by XENCI_LAB_DIR")
    for place in (paths.state, paths.cache):
        closed = [folder for folder in (place, *place.parents) if folder.exists() and not folder.stat().st_mode & 0o001]
        if closed:
            what = f"PostgreSQL and QEMU, which run as nobody, cannot enter {closed[0]}"
            yield Problem(what=what, remedy=f"chmod o+x {closed[0]}, or choose another place than {place}")


def ports(paths: LabPaths) -> Iterator[Problem]:
    """Judge the lab's ports: who has one that is not a process of this very lab."""
    ours = {process.pid for process in processes.all_of(paths.run) if process.lives}
    foreign = [taken for taken in listeners.on(all_ports(paths)) if not _is_in(ours, taken.pid)]
    if foreign:
        remedy = "End it (`xenci lab down` if it is another lab), or choose other ports by XENCI_LAB_PORT"
        yield Problem(what=", ".join(str(taken) for taken in foreign), remedy=remedy)


def _is_in(ours: set[int], pid: int | None) -> bool:
    """Tell whether a process is one of ours, or of the session that one of ours leads."""
    if pid is None:
        return False
    try:
        return pid in ours or os.getsid(pid) in ours
    except ProcessLookupError:
        return True  # it has ended: the port is free


def _to_make(paths: LabPaths) -> bool:
    return any(images.check(paths, name) for name in images.names())


def _free_gb(place: Path) -> float:
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free / 2**30


def _available_gb() -> float:
    text = Path("/proc/meminfo").read_text()
    return next(int(line.split()[1]) / 2**20 for line in text.splitlines() if line.startswith("MemAvailable:"))
