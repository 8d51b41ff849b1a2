"""Reads parts of a build's files: a range of lines, the lines of a level or with a word, or those of a span of time.

Nothing is indexed: going through the largest file that a node may send (64 MB) takes some tenths of a second, and a
moment is found by halving, as a log's times ascend.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from xenci.artifacts.port import ArtifactStore, BadName
from xenci.dashboard.loglines import Level, parse, source_of, time_of
from xenci.errors import NotFound

_BLOCK = 1 << 20
#: of a longer line only so much is read
_LONG = 1 << 16
#: a line that holds none of these words cannot be an error or a warning
_GRAVE = (b"ERR", b"err", b"CRIT", b"WARN", b"warn", b"fail", b"annot", b"nable", b"nvalid", b"ime", b"rc=")
_RANKS = {Level.ERROR: 3, Level.WARNING: 2, Level.INFO: 1, Level.DEBUG: 0, Level.NONE: 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What is in a file, seen once from end to end."""

    size: int
    lines: int
    errors: int
    warnings: int
    #: number of the first line that is an error
    first_error: int | None
    is_text: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which lines are looked for."""

    #: the least level
    level: Level = Level.NONE
    #: a text in the line, whatever its case
    text: str = ""

    @property
    def is_all(self) -> bool:
        return self.level in (Level.NONE, Level.DEBUG) and not self.text


class LogFiles:
    """The files of builds, as an artifact store has them."""

    def __init__(self, store: ArtifactStore) -> None:
        self.store = store

    @contextmanager
    def open(self, build: str, name: str) -> Iterator[BinaryIO]:
        """Open a file for reading. Raises NotFound, for a name that no file can have too."""
        try:
            file = self.store.open(build, name)
        except BadName as error:
            raise NotFound(error.detail) from error
        with file:
            yield file

    def survey(self, build: str, name: str) -> Survey:
        """Look through a whole file. Raises NotFound."""
        source = source_of(name)
        lines = errors = warnings = 0
        first_error: int | None = None
        with self.open(build, name) as file:
            size = _size(file)
            if not is_text(file):
                return Survey(size=size, lines=0, errors=0, warnings=0, first_error=None, is_text=False)
            for lines, line in _numbered(file, 1):
                match _level(line, source):
                    case Level.ERROR:
                        errors += 1
                        first_error = first_error or lines
                    case Level.WARNING:
                        warnings += 1
        return Survey(size=size, lines=lines, errors=errors, warnings=warnings, first_error=first_error, is_text=True)

    def lines(self, build: str, name: str, wanted: Wanted, *, first: int, count: int) -> list[tuple[int, str]]:
        """Return at most `count` wanted lines from line `first` on, with their numbers. Raises NotFound."""
        source = source_of(name)
        text = wanted.text.lower().encode()
        found = []
        with self.open(build, name) as file:
            seek_line(file, first)
            for number, line in _numbered(file, first):
                if not wanted.is_all and (
                    (text and text not in line.lower()) or _RANKS[_level(line, source)] < _RANKS[wanted.level]
                ):
                    continue
                found.append((number, _text(line)))
                if len(found) >= count:
                    break
        return found

    def octets(self, build: str, name: str, *, first: int, count: int) -> list[tuple[int, str]]:
        """Return `count` rows of sixteen octets from row `first` on, as digits and signs. Raises NotFound."""
        with self.open(build, name) as file:
            file.seek(16 * (first - 1))
            data = file.read(16 * count)
        rows = []
        for at in range(0, len(data), 16):
            piece = data[at : at + 16]
            signs = "".join(chr(b) if 32 <= b < 127 else "." for b in piece)
            rows.append((first + at // 16, f"{16 * (first - 1) + at:08x}  {piece.hex(' '):<47}  {signs}"))
        return rows

    def tail(self, build: str, name: str, *, count: int) -> list[str]:
        """Return the last lines of a file; none if it is not there."""
        try:
            with self.open(build, name) as file:
                file.seek(max(0, _size(file) - 200 * count))
                data = file.read(400 * count)
        except NotFound:
            return []
        return [_text(line) for line in data.removesuffix(b"\n").split(b"\n")[-count:]] if data else []

    def between(self, build: str, name: str, start: datetime, end: datetime, *, limit: int) -> tuple[int, list[str]]:
        """Return the number of the first line of the span and its lines, the last `limit` bytes of them at most.

        Raises NotFound.
        """
        with self.open(build, name) as file:
            size = _size(file)
            at = offset_of(file, size, start)
            stop = offset_of(file, size, end, after=True)
            if stop - at > limit:
                at, _ = _timed_line(file, stop - limit, stop)
            first = count_lines(file, at) + 1
            file.seek(at)
            data = file.read(max(0, stop - at))
        return first, [_text(line) for line in data.removesuffix(b"\n").split(b"\n")] if data else []


def is_text(file: BinaryIO) -> bool:
    """Tell whether a file's beginning has no zero octet; goes back to the beginning."""
    file.seek(0)
    head = file.read(4096)
    file.seek(0)
    return b"\0" not in head


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


def _numbered(file: BinaryIO, first: int) -> Iterator[tuple[int, bytes]]:
    """Go through the lines from where the file stands, the beginning of each long one at most."""
    number = first
    while line := file.readline(_LONG):
        part = line
        while part and not part.endswith(b"\n"):
            part = file.readline(_LONG)
        yield number, line
        number += 1


def _level(line: bytes, source: str | None) -> Level:
    head = line[:500]
    if not any(word in head for word in _GRAVE) and b" INFO " not in head and b": info :" not in head:
        return Level.NONE
    return parse(head.decode("utf-8", "replace"), source).level


def _size(file: BinaryIO) -> int:
    return file.seek(0, 2)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r\n")
