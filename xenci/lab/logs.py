"""The logs of the lab's processes, by the processes' names."""

import time
from collections.abc import Iterator
from pathlib import Path

from xenci.errors import NotFound
from xenci.lab import processes
from xenci.lab.paths import LabPaths


def names(paths: LabPaths) -> list[str]:
    """Return the names that have a log."""
    known = {process.name for process in processes.all_of(paths.run)}
    return sorted(known | {log.stem for log in paths.log.glob("*.log")})


def file(paths: LabPaths, name: str) -> Path:
    """Return a process's log; raises NotFound with the names that there are."""
    process = processes.find(paths.run, name)
    log = process.log if process is not None else paths.log / f"{name}.log"
    if name not in names(paths) or not log.exists():
        known = ", ".join(names(paths)) or "none, as the lab has never been up"
        raise NotFound(f"the lab has no log {name!r}", remedy=f"There are: {known}")
    return log


def lines(log: Path, *, follow: bool = False, pause: float = 0.3) -> Iterator[str]:
    """Yield the log's lines without their ends; with `follow` wait for more, for ever."""
    with log.open(errors="replace") as text:
        partial = ""
        while True:
            read = text.readline()
            partial += read
            if partial.endswith("\n") or (partial and not read and not follow):
                yield partial.rstrip("\n")
                partial = ""
            elif not read:
                if not follow:
                    return
                time.sleep(pause)
