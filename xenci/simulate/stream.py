"""Reads a stream of Gerrit's events, recorded or generated, one JSON object to a line.

Gerrit's stream tells no files; where a line has them all the same (`patchSet.files`, as `gerrit query --files` writes
them) they decide whether a patch set is relevant, as they do in production, where REST tells them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from xenci.errors import Permanent
from xenci.gerrit.parse import parse_event
from xenci.gerrit.port import Event

#: type of the first line of a generated stream, which states its assumptions
ASSUMPTIONS = "xenci-assumptions"


class NoTraffic(Permanent):
    """The stream has no event about a patch set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """A stream that was read."""

    #: about patch sets, in the order in which they happened
    events: tuple[Event, ...]
    #: what the generator assumed; empty for a recorded stream
    assumptions: dict[str, Any]
    #: lines that say nothing of a patch set, or could not be understood
    left_out: int
    #: uploaded patch sets whose files nobody told: they count as relevant
    without_files: int


def read(lines: Iterable[bytes]) -> Traffic:
    """Read a stream. Raises NoTraffic."""
    events: list[Event] = []
    assumptions: dict[str, Any] = {}
    left_out = 0
    for line in lines:
        event = parse_event(line)
        if isinstance(event, Event) and event.type == ASSUMPTIONS:
            assumptions = {key: value for key, value in event.raw.items() if key != "type"}
        elif isinstance(event, Event) and event.patchset is not None:
            events.append(replace(event, patchset=replace(event.patchset, files=_files(event.raw))))
        else:
            left_out += 1
    if not events:
        raise NoTraffic(f"{left_out} lines were looked at", remedy="give stream-events as JSON, one to a line")
    return Traffic(
        events=tuple(sorted(events, key=lambda event: event.at)),
        assumptions=assumptions,
        left_out=left_out,
        without_files=sum(
            1 for e in events if e.type == "patchset-created" and e.patchset is not None and not e.patchset.files
        ),
    )


def _files(raw: dict[str, Any]) -> tuple[str, ...]:
    revision = raw.get("patchSet")
    listed = revision.get("files") if isinstance(revision, dict) else None
    return tuple(str(one["file"]) for one in listed or () if isinstance(one, dict) and "file" in one)
