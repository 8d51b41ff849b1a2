"""Reads parts of a build's files: a range of lines, or what was written between two moments.

Nothing is indexed: counting the lines of the largest file that a node may send (64 MB) takes some hundredths of a
second, and a moment is found by halving, as a log's times ascend.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from xenci.dashboard.loglines import time_of
from xenci.errors import NotFound

_BLOCK = 1 << 20
#: a line longer than this is read in parts when a moment is looked for
_LONG = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Some lines of a file, without their line ends."""

    #: number of the first line, from 1
    first: int
    lines: tuple[str, ...]
    #: lines in the whole file
    total: int
    size: int
    is_text: bool = True

    @property
    def last(self) -> int:
        return self.first + len(self.lines) - 1


class LogFiles:
    """The files of builds below one folder: `BUILD-UUID/NAME`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def open(self, build_uuid: str, name: str) -> Iterator[BinaryIO]:
        """Open a file for reading. Raises NotFound if it is not there, is a link, or lies outside its build."""
        home = self.folder / build_uuid
        path = home / name
        parts = Path(name).parts
        if not name or path.is_absolute() != self.folder.is_absolute() or ".." in parts or name.startswith("/"):
            raise NotFound(f"{name!r} is no name of a file")
        if home.resolve() not in path.resolve().parents:
            raise NotFound(f"{name!r} lies outside its build")
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except (OSError, ValueError) as error:
            raise NotFound(
                f"{name!r} is not in the artifact store", remedy="look at the build's list of files"
            ) from error
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise NotFound(f"{name!r} is no file")
            yield file

    def window(self, build_uuid: str, name: str, *, first: int, count: int) -> Window:
        """Read `count` lines from line `first` on (from 1; a negative one counts from the end). Raises NotFound."""
        with self.open(build_uuid, name) as file:
            size = os.fstat(file.fileno()).st_size
            if b"\0" in file.read(4096):
                return Window(first=1, lines=(), total=0, size=size, is_text=False)
            total = count_lines(file, size)
            start = max(1, total + first + 1) if first < 0 else max(1, min(first, total))
            seek_line(file, start)
            lines = tuple(_text(line) for line in _take(file, min(count, total - start + 1)))
        return Window(first=start, lines=lines, total=total, size=size)

    def between(
        self, build_uuid: str, name: str, start: datetime, end: datetime, *, limit: int
    ) -> tuple[int, list[str]]:
        """Return the number of the first line of the span and its lines, the last `limit` bytes of them at most.

        Raises NotFound.
        """
        with self.open(build_uuid, name) as file:
            size = os.fstat(file.fileno()).st_size
            at = offset_of(file, size, start)
            stop = offset_of(file, size, end, after=True)
            if stop - at > limit:
                at, _ = _timed_line(file, stop - limit, stop)
            first = count_lines(file, at) + 1
            file.seek(at)
            data = file.read(max(0, stop - at))
        return first, [_text(line) for line in data.removesuffix(b"\n").split(b"\n")] if data else []


def count_lines(file: BinaryIO, end: int) -> int:
    """Count the lines that begin before the offset `end`."""
    file.seek(0)
    lines = 0
    left = end
    last = b"\n"
    while left > 0 and (block := file.read(min(_BLOCK, left))):
        lines += block.count(b"\n")
        last = block[-1:]
        left -= len(block)
    return lines + (last != b"\n")


def seek_line(file: BinaryIO, number: int) -> None:
    """Go to the beginning of a line, from 1; to the end if there are fewer."""
    file.seek(0)
    wanted = number - 1
    base = 0
    while wanted > 0 and (block := file.read(_BLOCK)):
        have = block.count(b"\n")
        if have < wanted:
            wanted -= have
            base += len(block)
            continue
        at = -1
        for _ in range(wanted):
            at = block.index(b"\n", at + 1)
        file.seek(base + at + 1)
        return


def offset_of(file: BinaryIO, size: int, moment: datetime, *, after: bool = False) -> int:
    """Return the offset of the first line at or after a moment; with `after`, of the first one after it."""
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        begins, at = _timed_line(file, middle, high)
        if at is None or at > moment or (at == moment and not after):
            high = middle
        else:
            low = begins + 1
    begins, at = _timed_line(file, low, size)
    return begins if at is not None else size


def _timed_line(file: BinaryIO, offset: int, end: int) -> tuple[int, datetime | None]:
    """Return offset and time of the first line with a time that begins at `offset` or later, before `end`."""
    if offset == 0:
        file.seek(0)
    else:
        file.seek(offset - 1)
        while (part := file.readline(_LONG)) and not part.endswith(b"\n"):
            pass
    while (begins := file.tell()) < end:
        line = file.readline(_LONG)
        if not line:
            break
        at = time_of(line[:64].decode("ascii", "replace"))
        if at is not None:
            return begins, at
        while line and not line.endswith(b"\n"):
            line = file.readline(_LONG)
    return end, None


def _take(file: BinaryIO, count: int) -> Iterator[bytes]:
    for _ in range(count):
        line = part = file.readline(_LONG)
        if not line:
            return
        while part and not part.endswith(b"\n"):
            part = file.readline(_LONG)
        yield line


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r\n")
