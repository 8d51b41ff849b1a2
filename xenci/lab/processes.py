"""The single owner of every process of the lab.

A process is a file `run/NAME.json` (pid, the moment it started as the kernel tells it, command, log). It is written
before the process does anything useful and read back by anybody: so one `down` ends everything, also after a crash of
`up`. A recycled pid is never taken for ours, as the kernel's start time must agree; a zombie counts as ended.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from xenci.errors import Permanent


class DidNotStart(Permanent):
    """A process of the lab did not start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process of the lab, as its file tells it."""

    #: unique in the lab, e.g. `ca-keystone`
    name: str
    pid: int
    #: the kernel's start time of this pid, clock ticks since boot: tells it from a later process of the same number
    ticks: int
    started_at: datetime
    command: tuple[str, ...]
    log: Path

    @property
    def lives(self) -> bool:
        return _ticks(self.pid) == self.ticks

    @property
    def memory_mb(self) -> float:
        """Proportional set size in MB; 0.0 if it cannot be read."""
        try:
            rollup = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        except OSError:
            return 0.0
        return next((int(line.split()[1]) / 1024 for line in rollup.splitlines() if line.startswith("Pss:")), 0.0)


def start(
    run: Path,
    name: str,
    command: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Process:
    """Start a process in a session of its own, its output appended to `log`; if it lives already, return it as it is.

    `env` is added to this process's environment.
    """
    known = find(run, name)
    if known is not None and known.lives:
        return known
    run.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            start_new_session=True,
        )
    return adopt(run, name, child.pid, command=command, log=log)


def adopt(run: Path, name: str, pid: int, *, command: Sequence[str] = (), log: Path = Path("/dev/null")) -> Process:
    """Take a running process (one that made itself a daemon, say) into the lab's keeping.

    Raises DidNotStart if there is none of that pid; a child of ours that has ended already is there until it is reaped.
    """
    run.mkdir(parents=True, exist_ok=True)
    ticks = _ticks(pid, ended=True)
    if ticks is None:
        raise DidNotStart(f"{name} (pid {pid}) ended at once; its log: {log}")
    process = Process(name=name, pid=pid, ticks=ticks, started_at=datetime.now(UTC), command=tuple(command), log=log)
    new = run / f"{name}.json.new"
    new.write_text(
        json.dumps(
            {
                "name": name,
                "pid": pid,
                "ticks": ticks,
                "started_at": process.started_at.isoformat(),
                "command": list(command),
                "log": str(log),
            }
        )
    )
    new.rename(run / f"{name}.json")
    _be_as_nice(pid)
    return process


def find(run: Path, name: str) -> Process | None:
    """Return the process of this name, alive or not, or None if there never was one."""
    try:
        raw = json.loads((run / f"{name}.json").read_text())
        return Process(
            name=raw["name"],
            pid=raw["pid"],
            ticks=raw["ticks"],
            started_at=datetime.fromisoformat(raw["started_at"]),
            command=tuple(raw["command"]),
            log=Path(raw["log"]),
        )
    except FileNotFoundError:
        return None


def all_of(run: Path) -> list[Process]:
    """Return every process known, in the order in which they started."""
    found = (find(run, path.stem) for path in run.glob("*.json"))
    return sorted((p for p in found if p is not None), key=lambda p: p.started_at)


def end(run: Path, name: str, *, patience: float = 10.0) -> None:
    """End a process and its session: SIGTERM, after `patience` seconds SIGKILL; forget it. Harmless if not there."""
    process = find(run, name)
    if process is not None and process.lives:
        _signal(process.pid, signal.SIGTERM)
        if not _await_end(process, patience):
            _signal(process.pid, signal.SIGKILL)
            _await_end(process, 5.0)
    (run / f"{name}.json").unlink(missing_ok=True)


def _be_as_nice(pid: int) -> None:
    """Have a process's session give way as the process's own niceness says.

    Where Linux schedules by autogroups, each session gets the same share of a core, and niceness counts in it alone.
    """
    try:
        Path(f"/proc/{pid}/autogroup").write_text(str(os.getpriority(os.PRIO_PROCESS, pid)))
    except OSError:
        return  # there are no autogroups, or it has ended: its place among others is all that is lost


def _signal(pid: int, what: signal.Signals) -> None:
    try:
        if os.getpgid(pid) == pid:
            os.killpg(pid, what)
        else:
            os.kill(pid, what)
    except ProcessLookupError:
        return


def _await_end(process: Process, seconds: float) -> bool:
    limit = time.monotonic() + seconds
    while process.lives:
        _reap(process.pid)
        if time.monotonic() > limit:
            return False
        time.sleep(0.05)
    return True


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def _ticks(pid: int, *, ended: bool = False) -> int | None:
    """Return the kernel's start time of a live process; None for one that ended, a zombie only if `ended` is false."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" and not ended else int(fields[19])
