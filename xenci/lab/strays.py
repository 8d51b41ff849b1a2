"""Processes that a lab left behind without a file of their own: what a killed `up` was in the middle of.

`up` marks its own environment, every child inherits the mark, and the kernel shows it: so a Maven, a debootstrap or a
half-built machine is found whatever killed its parent.
"""

import os
import signal
import time
from collections.abc import Collection
from pathlib import Path

from xenci.lab.paths import LabPaths
from xenci.lab.progress import say

_MARK = "XENCI_LAB_OF"


def mark(paths: LabPaths) -> None:
    """Mark this process's environment: whatever it starts from now on belongs to this lab."""
    os.environ[_MARK] = str(paths.state)


def find(paths: LabPaths) -> list[int]:
    """Return the pids of this lab's marked processes, without the calling one and its ancestors."""
    wanted = f"{_MARK}={paths.state}".encode()
    own = _lineage()
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) not in own:
            try:
                environment = (process / "environ").read_bytes()
            except OSError:
                continue  # it ended, or belongs to somebody else
            if wanted in environment.split(b"\0"):
                found.append(int(process.name))
    return sorted(found)


def end(paths: LabPaths, *, but: Collection[int] = (), patience: float = 10.0) -> int:
    """End them all `but` these, after `patience` seconds by force; return how many there were."""
    seen: set[int] = set()
    limit = time.monotonic() + patience
    while left := [pid for pid in find(paths) if pid not in but]:
        late = time.monotonic() > limit
        for pid in left:
            if pid not in seen:
                say(f"ending what an interrupted command left: pid {pid} ({_name(pid)})")
            if late or pid not in seen:
                _kill(pid, signal.SIGKILL if late else signal.SIGTERM)
        seen.update(left)
        time.sleep(0.1)
    return len(seen)


def _lineage() -> set[int]:
    pids, pid = set(), os.getpid()
    while pid > 0:
        pids.add(pid)
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            break
    return pids


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "ended"


def _kill(pid: int, what: signal.Signals) -> None:
    try:
        os.kill(pid, what)
    except ProcessLookupError:
        return
