"""Brings a folder of logs from a node as one tar stream, taken apart by ourselves as what it is: a stranger's.

Only plain files with plain names pass. Links, devices, folders outside, long-name and extended headers are refused, and
named; count, sizes and the whole are limited, so that neither a huge file nor a small one that unpacks to one fills the
disk. A header that makes no sense ends it. Python's own tarfile reads an extended header of any size into memory.
"""

import gzip
import io
import shlex
import socket
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import BinaryIO, cast

from xenci.host.port import CommandFailed, Host, HostOdd, HostSlow
from xenci.rules.names import is_plain

_BLOCK = 512
_PIECE = 256 * 1024
#: most names of refused files that are kept
_TOLD = 100
_KINDS = {b"1": "a hard link", b"2": "a symbolic link", b"3": "a device", b"4": "a device", b"6": "a pipe"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a node may send: bytes of one file (the rest of it is left out) and of all, number of files."""

    max_file: int
    max_total: int
    max_files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A file that was not taken."""

    name: str
    reason: str


class Fetched:
    """One file of the stream, to be read before the next one is asked for."""

    def __init__(self, name: str, size: int, keep: int, source: BinaryIO) -> None:
        self.name = name
        #: as the node tells it
        self.size = size
        self.is_cut = keep < size
        #: bytes that were not read yet
        self.left = keep
        self._source = source

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; none at the file's end, or where it is cut."""
        data = _exactly(self._source, self.left if size < 0 else min(size, self.left))
        self.left -= len(data)
        return data


@dataclass(slots=True)
class Folder:
    """The files of a fetched folder, one after the other; `refused` is complete when they are through."""

    source: BinaryIO
    limits: Limits
    refused: list[Refused] = field(default_factory=list)

    def __iter__(self) -> Iterator[Fetched]:
        seen: set[str] = set()
        left = self.limits.max_total
        while (header := _read_header(self.source)) is not None:
            left -= header.padded
            if left < 0:
                return self._refuse(header.name, f"more than {self.limits.max_total} bytes; none after it is taken")
            if len(seen) >= self.limits.max_files:
                return self._refuse(header.name, f"more than {self.limits.max_files} files; none after it is taken")
            if problem := header.problem(seen):
                self._refuse(header.name, problem)
                _skip(self.source, header.padded)
                continue
            seen.add(header.name)
            keep = min(header.size, self.limits.max_file)
            yield (file := Fetched(header.name, header.size, keep, self.source))
            _skip(self.source, file.left + header.padded - keep)
        return None

    def _refuse(self, name: str, reason: str) -> None:
        if len(self.refused) < _TOLD:
            self.refused.append(Refused(name=name, reason=reason))


@contextmanager
def fetch(host: Host, folder: str, *, limits: Limits, timeout: timedelta) -> Iterator[Folder]:
    """Open a folder of the node for reading once. Raises CommandFailed if there is none, HostLost, HostOdd, HostSlow.

    The block and the reading of the files in it are one call in this: what breaks there is told in the same way.
    """
    names = "find . -type f -print0 | tar --null --no-recursion --format=ustar -T - -cf - | gzip -1"
    with host.pipe(f"cd {shlex.quote(folder)} && {names}") as pipe, socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(pipe.path))
        raw = _Timed(connection, timeout)
        try:
            yield Folder(cast(BinaryIO, gzip.GzipFile(fileobj=io.BufferedReader(raw, _PIECE))), limits)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            if not raw.received:
                words = f"{host.address}: {folder} {pipe.complaint}".strip()
                raise CommandFailed(words, brief="There are no logs to fetch") from error
            raise HostOdd(f"{host.address}: the logs' stream is damaged: {error}") from error
        except TimeoutError as error:
            raise HostSlow(f"{host.address}: the logs were not fetched in {timeout.total_seconds():g} s") from error


class _Timed(io.RawIOBase):
    """A socket as a file for gzip, with an end in time for all of it."""

    def __init__(self, connection: socket.socket, limit: timedelta) -> None:
        self._connection = connection
        self._until = time.monotonic() + limit.total_seconds()
        self.received = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # io's own signature is private
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        size = self._connection.recv_into(buffer)
        self.received += size
        return size


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    """One entry of a tar archive in the old, bounded format."""

    name: str
    size: int
    kind: bytes

    @property
    def padded(self) -> int:
        """Bytes that its content takes in the stream."""
        return -(-self.size // _BLOCK) * _BLOCK

    def problem(self, seen: set[str]) -> str:
        """Say why it is refused, or nothing."""
        if self.kind not in (b"0", b"\0"):
            return _KINDS.get(self.kind, "no plain file")
        if not is_plain(self.name):
            return "no plain name"
        if self.name in seen:
            return "a name that was there before"
        return ""


def _read_header(source: BinaryIO) -> _Header | None:
    """Return the next entry, or None at the archive's end. Raises zlib.error if it makes no sense."""
    block = _exactly(source, _BLOCK)
    if not any(block):
        return None
    try:
        told = int(block[148:156].rstrip(b"\0 ") or b"0", 8)
        size = int(block[124:136].rstrip(b"\0 ") or b"0", 8)
    except ValueError as error:
        raise zlib.error(f"a header of the archive makes no sense: {error}") from error
    if told != sum(block) - sum(block[148:156]) + 8 * 32 or block[257:262] != b"ustar" or size < 0:
        raise zlib.error("a header of the archive makes no sense")
    path = b"/".join(part for part in (_until_nul(block[345:500]), _until_nul(block[:100])) if part)
    name = path.decode("ascii", errors="backslashreplace").removeprefix("./")
    return _Header(name=name, size=size, kind=block[156:157])


def _until_nul(field: bytes) -> bytes:
    return field.split(b"\0", 1)[0]


def _exactly(source: BinaryIO, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        if not (piece := source.read(min(size - len(data), _PIECE))):
            raise EOFError("it ends too early")
        data += piece
    return bytes(data)


def _skip(source: BinaryIO, size: int) -> None:
    while size > 0:
        size -= len(_exactly(source, min(size, _PIECE)))
