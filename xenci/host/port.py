"""What the loops ask of a node, and how it can fail: one Protocol, the same for a fake and a real machine.

A failure of SSH is never taken for the failure of a command: it is a HostLost, and the loop comes back later. What runs
long is a unit of the node's systemd, which does not care whether we are there.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from xenci.errors import Permanent, Temporary


class HostLost(Temporary):
    """The node does not answer over SSH."""


class HostSlow(HostLost):
    """The node did not answer in time."""


class HostOdd(HostLost):
    """The node's answer makes no sense."""


class HostKeyChanged(Permanent):
    """The node shows another SSH host key than its console told."""


class CommandFailed(Temporary):
    """A command of ours failed on the node."""


class UnitState(StrEnum):
    """Where a unit stands on the node."""

    #: it runs, or is about to
    RUNNING = "running"
    #: it ended by itself and left its exit code
    EXITED = "exited"
    #: it was never started, or was cut: by its limit, a reboot, a kill
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What a command said."""

    exit_code: int
    stdout: bytes
    stderr: bytes

    @property
    def words(self) -> str:
        """The last of what it said, for a person: standard error if there is any, else standard output."""
        said = (self.stderr.strip() or self.stdout.strip())[-2000:].decode(errors="replace")
        return said.replace("\0", "�")  # which PostgreSQL refuses


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A command that outlives our connection."""

    #: letters, digits, `-`, `_`, `.`; unique on the node for ever
    name: str
    #: a shell command
    command: str
    working_directory: str = "/"
    #: file of `NAME=value` lines on the node
    env_file: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    #: absolute paths on the node; their folders are made
    stdout: str
    stderr: str
    #: with this time passed systemd ends it, and it leaves no exit code
    limit: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """New bytes of a followed file."""

    #: where `data` begins
    offset: int
    data: bytes
    #: the file's size when it was looked at; 0 if it is not there. Smaller than `offset`: it was cut or made anew
    size: int

    @property
    def is_all(self) -> bool:
        """Whether nothing was left behind for the next look."""
        return self.offset + len(self.data) >= self.size


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitLook:
    """A unit, and the new bytes of the files that were asked for, at one moment."""

    state: UnitState
    #: of a unit that EXITED
    exit_code: int | None
    #: systemd's word for how a unit that is GONE ended, where it still knows: timeout, signal, oom-kill, exit-code ..
    reason: str
    files: Mapping[str, Chunk]


class Pipe(Protocol):
    """A Unix socket whose connections are a command on the node."""

    @property
    def path(self) -> Path: ...

    @property
    def complaint(self) -> str:
        """What the commands wrote to standard error, the last of it."""


class Host(Protocol):
    """A node. All calls raise HostLost when SSH fails and HostKeyChanged when somebody else answers."""

    @property
    def address(self) -> str: ...

    def run(self, command: str, *, timeout: timedelta, input: bytes = b"") -> Output:
        """Run a shell command as root and wait for it; its exit code is the caller's to judge."""

    def start_unit(self, unit: Unit) -> bool:
        """Start a detached unit; False if one of that name was started before, whatever became of it."""

    def stop_unit(self, unit: str) -> None:
        """End a unit with all its processes; one that does not run stays as it is. Raises CommandFailed."""

    def look(self, unit: str, follow: Mapping[str, int], *, limit: int = ...) -> UnitLook:
        """Look at a unit and, from an offset each, at most `limit` new bytes of each followed file: one round trip."""

    def write(self, path: str, data: bytes, *, mode: int = 0o600) -> None:
        """Write a file whole: its reader sees the old one or the new one. Raises CommandFailed."""

    def read(self, path: str, *, limit: int) -> bytes:
        """Read at most `limit` bytes of a regular file. Raises NotFound if there is none."""

    def pipe(self, command: str) -> AbstractContextManager[Pipe]:
        """Give a Unix socket; each connection to it is a command on the node, by its standard input and output."""

    def push_tree(self, repository: Path, commit: str, *, remote_path: str, ref: str, timeout: timedelta) -> None:
        """Push a commit of a local repository to a ref of one on the node, by force. Raises CommandFailed."""

    def close(self) -> None:
        """End the connection; units go on."""
