"""Reads parts of a build's files: a range of lines, the lines of a level or with a word, or those of a span of time.

Nothing is indexed: the largest file that a node may send (64 MB) is gone through by blocks, a moment is found by
halving, as a log's times ascend, and what a survey found is remembered while the file stays the same. Lines are looked
into up to a bound, and what was left out is told.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import BinaryIO

from xenci.artifacts.port import ArtifactStore, BadName
from xenci.dashboard.loglines import Level, parse, source_of
from xenci.dashboard.logseek import count_lines, is_text, lines_with, numbered, offset_of, seek_line, timed_line
from xenci.errors import NotFound

#: lines of one file whose levels are looked at for one page
MOST_LOOKED_AT = 20_000
#: lines of one file that a span of time may have
_MOST_OF_SPAN = 40_000
#: files whose surveys are remembered
_REMEMBERED = 500
#: a line that holds none of these words is below the level; libxl's are written in any case
_WORDS: dict[Level, tuple[bytes, ...]] = {
    Level.ERROR: (b" ERROR ", b" CRITICAL ", b": error : "),
    Level.WARNING: (b" WARNING ", b": warning : "),
    Level.INFO: (b" INFO ", b" AUDIT ", b": info : "),
}
_WORDS_OF_LIBXL = (b"error", b"fail", b"cannot", b"unable", b"invalid", b"time", b"rc=-")
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
    #: the last line whose level was looked at, if there were too many to look at all
    until: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Some lines of a file."""

    #: number and text
    lines: list[tuple[int, str]]
    #: the last line that was looked at, if there were too many to look at all
    until: int | None = None


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
        self._seen: dict[tuple[str, str, int, int], Survey] = {}

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
        """Look through a whole file, or remember what was found in it. Raises NotFound."""
        with self.open(build, name) as file:
            stat = os.fstat(file.fileno())
            key = (build, name, stat.st_size, stat.st_mtime_ns)
            seen = self._seen.get(key)
            if seen is None:
                if len(self._seen) >= _REMEMBERED:
                    self._seen.clear()
                seen = self._seen[key] = _survey(file, source_of(name))
        return seen

    def lines(self, build: str, name: str, wanted: Wanted, *, first: int, count: int) -> Window:
        """Return at most `count` wanted lines from line `first` on. Raises NotFound."""
        source = source_of(name)
        text = wanted.text.lower().encode()
        found: list[tuple[int, str]] = []
        with self.open(build, name) as file:
            seek_line(file, first)
            if wanted.is_all:
                return Window(lines=[(number, _text(line)) for number, line in islice(numbered(file, first), count)])
            by_level = _RANKS[wanted.level] > 0
            words = _words(wanted.level, source) if by_level else (text,)
            suspects = lines_with(file, words, first, any_case=not by_level or source == "libxl")
            for looked_at, (number, line) in enumerate(suspects):
                if looked_at >= MOST_LOOKED_AT:
                    return Window(lines=found, until=number - 1)
                if text in line.lower() and _RANKS[_level(line, source)] >= _RANKS[wanted.level]:
                    found.append((number, _text(line)))
                    if len(found) >= count:
                        break
        return Window(lines=found)

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
            _, begins = timed_line(file, 0, size)
            if begins is not None and begins > end:
                return 1, []
            at = offset_of(file, size, start)
            stop = offset_of(file, size, end, after=True)
            if stop - at > limit:
                at, _ = timed_line(file, stop - limit, stop)
            first = count_lines(file, at) + 1
            file.seek(at)
            data = file.read(max(0, stop - at)).removesuffix(b"\n")
        if not data:
            return first, []
        lines = data.rsplit(b"\n", _MOST_OF_SPAN)
        if len(lines) > _MOST_OF_SPAN:
            first += lines.pop(0).count(b"\n") + 1
        return first, [_text(line) for line in lines]


def _survey(file: BinaryIO, source: str | None) -> Survey:
    size = _size(file)
    if not is_text(file):
        return Survey(size=size, lines=0, errors=0, warnings=0, first_error=None, is_text=False)
    lines = count_lines(file, size)
    file.seek(0)
    errors = warnings = 0
    first_error: int | None = None
    until: int | None = None
    suspects = lines_with(file, _words(Level.WARNING, source), 1, any_case=source == "libxl")
    for looked_at, (number, line) in enumerate(suspects):
        if looked_at >= MOST_LOOKED_AT:
            until = number - 1
            break
        match _level(line, source):
            case Level.ERROR:
                errors += 1
                first_error = first_error or number
            case Level.WARNING:
                warnings += 1
    return Survey(
        size=size, lines=lines, errors=errors, warnings=warnings, first_error=first_error, is_text=True, until=until
    )


def _words(level: Level, source: str | None) -> tuple[bytes, ...]:
    """Return the words of which a line of a level, or above it, holds one."""
    if source == "libxl":
        return _WORDS_OF_LIBXL + tuple(word.lower() for words in _WORDS.values() for word in words)
    return tuple(word for other, words in _WORDS.items() if _RANKS[other] >= _RANKS[level] for word in words)


def _level(line: bytes, source: str | None) -> Level:
    return parse(line[:500].decode("utf-8", "replace"), source).level


def _size(file: BinaryIO) -> int:
    return file.seek(0, 2)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r\n")
