"""Reads the time, the level and the source of one line of a node's log.

Three shapes: OpenStack's `2026-11-21 15:40:45.100 479 ERROR nova.x`, libvirtd's
`2026-11-21 15:40:45.100+0000: 612: error : function:12 : text` and libxl's `2026-11-21 15:40:45.100+0000: libxl: text`,
which tells no level.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum


class Level(StrEnum):
    """How grave a line is; the letter is shown."""

    ERROR = "E"
    WARNING = "W"
    INFO = "I"
    DEBUG = "D"
    NONE = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line of a log."""

    #: None for a line that has no time of its own (a continuation)
    at: datetime | None
    level: Level
    #: the line without its time
    text: str


_TIME = re.compile(r"^(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,6}))?(\+0000|Z)?:? ")
_OSLO = re.compile(r"^\d+ (TRACE|DEBUG|INFO|WARNING|AUDIT|ERROR|CRITICAL) ")
_LIBVIRT = re.compile(r"^\d+: (debug|info|warning|error) : ")
_LIBXL_BAD = re.compile(r"\b(error|fail(ed|ure)?|cannot|unable|invalid|timed? ?out|rc=-\d)", re.IGNORECASE)
_LEVELS = {
    "TRACE": Level.DEBUG,
    "DEBUG": Level.DEBUG,
    "INFO": Level.INFO,
    "AUDIT": Level.INFO,
    "WARNING": Level.WARNING,
    "ERROR": Level.ERROR,
    "CRITICAL": Level.ERROR,
}
#: a time stands in the first signs of a line, or it has none
_HEAD = 40

#: source by the file's own name, in the order of the lanes
_SOURCES = (
    ("tempest", re.compile(r"^tempest.*\.(log|txt)$")),
    ("nova", re.compile(r"^(nova|n-cpu|n-[a-z-]+)[^/]*\.(log|txt)$")),
    ("libvirtd", re.compile(r"^(libvirtd|virtxend)\.(log|txt)$")),
    ("libxl", re.compile(r"^libxl[^/]*\.(log|txt)$")),
    ("qemu", re.compile(r"^qemu-dm[^/]*$")),
    ("xen", re.compile(r"^(xl-dmesg|hypervisor|xen)[^/]*\.(log|txt)$")),
    ("guest", re.compile(r"^(guest|console)[^/]*$")),
)


def source_of(name: str) -> str | None:
    """Return which source wrote a file, by its name, or None. A phase's console (`console/…`) is no log of a source."""
    if name.startswith("console/"):
        return None
    if "/libxl/" in name:  # libvirt writes one for each guest, of the guest's name
        return "libxl"
    last = name.rsplit("/", 1)[-1].lower()
    return next((source for source, pattern in _SOURCES if pattern.match(last)), None)


def time_of(line: str) -> datetime | None:
    """Return the time at the head of a line, taken as UTC, or None."""
    found = _TIME.match(line[:_HEAD])
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(found[i]) for i in range(1, 7))
    try:
        return datetime(year, month, day, hour, minute, second, int((found[7] or "0").ljust(6, "0")), tzinfo=UTC)
    except ValueError:
        return None


def parse(line: str, source: str | None = None) -> LogLine:
    """Read one line; what cannot be read is text without time and level."""
    at = time_of(line)
    if at is None:
        return LogLine(at=None, level=Level.NONE, text=line)
    found = _TIME.match(line[:_HEAD])
    rest = line[found.end() :] if found else line
    return LogLine(at=at, level=_level(rest, source), text=rest)


def _level(rest: str, source: str | None) -> Level:
    if found := _OSLO.match(rest):
        return _LEVELS[found[1]]
    if found := _LIBVIRT.match(rest):
        return _LEVELS[found[1].upper()]
    if source == "libxl":
        return Level.ERROR if _LIBXL_BAD.search(rest[:400]) else Level.DEBUG
    return Level.NONE
