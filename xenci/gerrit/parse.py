"""Turns a line of the stream into an Event.

It never raises: whatever a line holds, the next one still counts. What of a line cannot be understood is left out, and
a patch set of which a part is missing that nobody can do without is no patch set.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NoReturn

from xenci.gerrit.fields import EPOCH, clean, epoch, flag, mapping, number, sequence, storable, text
from xenci.gerrit.port import BadLine, Event
from xenci.model.change import Account, Message, Patchset

SHA = re.compile(r"[0-9a-f]{40}")
#: Who acts has another name in every kind of event.
_ACTORS = (
    "author",
    "uploader",
    "submitter",
    "changer",
    "abandoner",
    "restorer",
    "editor",
    "reviewer",
    "adder",
    "remover",
)
_SHOWN = 200


def parse_event(line: bytes) -> Event | BadLine:
    """Return the event, or BadLine with the reason. Never raises."""
    try:
        raw = clean(json.loads(line, parse_constant=_refuse))
    except (ValueError, RecursionError) as error:
        return _bad(line, f"is no JSON: {type(error).__name__}")
    if not isinstance(raw, dict):
        return _bad(line, "is no JSON object")
    kind = text(raw, "type")
    if not kind:
        return _bad(line, "has no type")
    return _event(kind, raw)


def change_ref(change: int, patchset: int) -> str:
    """Return the git reference of a patch set."""
    return f"refs/changes/{change % 100:02d}/{change}/{patchset}"


def account(raw: Mapping[str, Any]) -> Account:
    """Return an account; whatever is not told is empty."""
    tags = tuple(tag for tag in sequence(raw, "tags") if isinstance(tag, str))
    return Account(username=text(raw, "username"), name=text(raw, "name"), email=text(raw, "email"), tags=tags)


def _event(kind: str, raw: dict[str, Any]) -> Event:
    created_at = epoch(mapping(raw, "patchSet"), "createdOn")
    at = epoch(raw, "eventCreatedOn") or created_at or EPOCH
    author = next((account(mapping(raw, key)) for key in _ACTORS if mapping(raw, key)), None)
    patchset = _patchset(raw, created_at or at)
    update = mapping(raw, "refUpdate")
    return Event(
        type=kind,
        at=at,
        patchset=patchset,
        author=author,
        message=_message(raw, author or Account(), at) if kind == "comment-added" else None,
        project=text(update, "project") or text(raw, "project") or (patchset.project if patchset else ""),
        ref=text(update, "refName"),
        raw=raw,
    )


def _patchset(raw: dict[str, Any], uploaded_at: datetime) -> Patchset | None:
    change, revision = mapping(raw, "change"), mapping(raw, "patchSet")
    project, branch, sha = text(change, "project"), text(change, "branch"), text(revision, "revision")
    change_number, patchset_number = number(change, "number"), number(revision, "number")
    ref = text(revision, "ref") or change_ref(change_number, patchset_number)
    if not (project and branch and change_number and patchset_number and SHA.fullmatch(sha)):
        return None
    if ref != change_ref(change_number, patchset_number):
        return None
    return Patchset(
        project=project,
        branch=branch.removeprefix("refs/heads/"),
        change=change_number,
        number=patchset_number,
        key=text(change, "id"),
        subject=text(change, "subject"),
        sha=sha,
        ref=ref,
        owner=account(mapping(change, "owner")),
        kind=text(revision, "kind") or "REWORK",
        uploaded_at=uploaded_at,
        status=text(change, "status") or "NEW",
        wip=flag(change, "wip"),
        private=flag(change, "private"),
        topic=text(change, "topic"),
        url=text(change, "url"),
    )


def _message(raw: dict[str, Any], author: Account, at: datetime) -> Message:
    comments = sequence(mapping(raw, "patchSetComments"), "/PATCHSET_LEVEL")
    number_of_patchset = number(mapping(raw, "patchSet"), "number")
    change = number(mapping(raw, "change"), "number")
    return Message(
        id=f"{change},{number_of_patchset}/{author.username or author.email or author.name}/{int(at.timestamp())}",
        author=author,
        patchset=number_of_patchset,
        text=text(raw, "comment"),
        tag=text(raw, "tag"),
        posted_at=at,
        comments=tuple(text(one, "message") for one in comments if isinstance(one, dict) and text(one, "message")),
    )


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _bad(line: bytes, reason: str) -> BadLine:
    shown = storable(line[:_SHOWN].decode(errors="replace"))
    return BadLine(text="".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in shown), reason=reason)
