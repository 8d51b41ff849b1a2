"""Finds the lines that matter around a failure: Nova's, libvirt's and libxl's errors, merged by time.

A run writes a hundred thousand lines, and a reader wants six. So: errors and warnings of the span, each kind once, a
traceback as its first and its last line, and between them a count of what was left out.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from xenci.dashboard.logfiles import LogFiles
from xenci.dashboard.loglines import Level, parse, source_of
from xenci.errors import NotFound

#: sources that are looked at, in the order of their lanes
SOURCES = ("nova", "libvirtd", "libxl")
#: where logs lie that are followed while a run writes them
_FOLLOWED = "logs/"
#: logs that are looked into, and lines that are read of all of them
_MOST_FILES = 200
_MOST_READ = 100_000
#: bytes of each log that are read
_LIMIT = 4_000_000
#: lines that are shown
_MOST = 14
_AFTER = timedelta(seconds=5)
_BEFORE = timedelta(seconds=2)
#: a class's set-up tells no beginning: so far back is looked
_LONGEST = timedelta(minutes=15)
_VARIABLE = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|req-[0-9a-f-]+|0x[0-9a-f]+|\d+")
#: what a Python traceback's inner lines look like, after the logger's name
_INNER = re.compile(r"^\s*(File \"|Traceback |\^+|~*\^|\.\.\.|During handling|The above exception|\s{2,})")
_PREFIX = re.compile(r"^\d+ [A-Z]+ (\S+) (?:\[[^\]]*\] ?)*")
#: noise that stands beside every failure and explains none
_NOISE = re.compile(
    r"DeprecationWarning|SAWarning|[Dd]eprecated|imported prior"
    # what Nova tries on every Xen host and can do without
    r"|not supported by the connection driver|unsupported flags \(0x"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line that is shown."""

    at: datetime
    source: str
    level: Level
    text: str
    #: file and line number
    name: str
    number: int
    #: how often a line like it was written in the span
    times: int = 1

    @property
    def tone(self) -> str:
        return {"E": "bad", "W": "warn", "D": "skip"}.get(self.level, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """The lines that matter, and what they were chosen from."""

    lines: tuple[Line, ...]
    #: lines of the span in all files that were looked into
    read: int
    #: sources of which there is no file
    missing: tuple[str, ...]
    #: logs that were not looked into, as there were too many or too long ones
    left_out: int
    start: datetime
    end: datetime


def span_of(
    started_at: datetime | None, finished_at: datetime, previous_end: datetime | None
) -> tuple[datetime, datetime]:
    """Return the span to look at for a test that failed.

    A class's set-up tells the same moment twice, so its span begins where the test before it ended.
    """
    start = started_at or finished_at
    if finished_at - start < timedelta(seconds=1) and previous_end is not None:
        start = min(previous_end, start)
    return max(start, finished_at - _LONGEST) - _BEFORE, finished_at + _AFTER


def find(logs: LogFiles, build_uuid: str, names: Iterable[str], span: tuple[datetime, datetime]) -> Cause:
    """Read the span in every log of the sources, and choose."""
    start, end = span
    found: list[Line] = []
    read = 0
    present: set[str] = set()
    asked = [(name, source) for name in _once(list(names)) if (source := source_of(name)) in SOURCES]
    left_out = 0
    for i, (name, source) in enumerate(asked):
        if i >= _MOST_FILES or read >= _MOST_READ:
            left_out = len(asked) - i
            present.update(source for _, source in asked[i:])
            break
        try:
            first, lines = logs.between(build_uuid, name, start, end, limit=_LIMIT)
        except NotFound:
            continue
        present.add(source)
        read += len(lines)
        found += _grave(lines, first, source, name)
    chosen = choose(found)
    return Cause(
        lines=tuple(chosen),
        read=read,
        missing=tuple(source for source in SOURCES if source not in present),
        left_out=left_out,
        start=start,
        end=end,
    )


def _once(names: Sequence[str]) -> list[str]:
    """Leave out a log that was followed while it grew and then collected whole: its lines would count twice."""
    collected = {PurePosixPath(name).name for name in names if not name.startswith(_FOLLOWED)}
    return [name for name in names if not (name.startswith(_FOLLOWED) and PurePosixPath(name).name in collected)]


def _grave(lines: Sequence[str], first: int, source: str, name: str) -> list[Line]:
    """Return the errors and warnings of one file; of a traceback only what is no inner line."""
    grave = []
    for number, text in enumerate(lines, first):
        line = parse(text, source)
        if line.at is None or line.level not in (Level.ERROR, Level.WARNING) or _NOISE.search(text[:2000]):
            continue
        words = _PREFIX.sub("", line.text, count=1)
        if not words.strip() or _INNER.match(words):
            continue
        logger = _PREFIX.match(line.text)
        shown = f"{logger[1]} {words}" if logger else re.sub(r"^\d+: [a-z]+ : ", "", line.text)
        grave.append(Line(at=line.at, source=source, level=line.level, text=shown[:400], name=name, number=number))
    return grave


def choose(lines: Sequence[Line], *, most: int = _MOST) -> list[Line]:
    """Return at most `most` lines by time: each kind once, errors before warnings, the first ones first."""
    kinds: dict[tuple[str, str], Line] = {}
    for line in sorted(lines, key=lambda line: (line.at, SOURCES.index(line.source), line.number)):
        kind = (line.source, _VARIABLE.sub("N", line.text)[:300])
        known = kinds.get(kind)
        kinds[kind] = line if known is None else replace(known, times=known.times + 1)
    errors = [line for line in kinds.values() if line.level is Level.ERROR]
    warnings = [line for line in kinds.values() if line.level is not Level.ERROR]
    chosen = _fair(errors, most)
    chosen += warnings[: max(0, most - len(chosen))]
    return sorted(chosen, key=lambda line: (line.at, -SOURCES.index(line.source), line.number))


def _fair(errors: list[Line], most: int) -> list[Line]:
    """Take from the quieter sources first: one line of libxl says more than the tenth of Nova."""
    by_source = {source: [line for line in errors if line.source == source] for source in reversed(SOURCES)}
    chosen: list[Line] = []
    for i, (_, mine) in enumerate(by_source.items()):
        share = (most - len(chosen)) // (len(by_source) - i)
        chosen += mine[:share]
    return chosen
