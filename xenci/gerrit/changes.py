"""Reads REST's changes into our nouns. What a change lacks that nobody can do without makes it no change: None."""

from collections.abc import Mapping
from typing import Any

from xenci.gerrit.fields import EPOCH, flag, mapping, moment, number, sequence, text
from xenci.gerrit.parse import SHA, account, change_ref
from xenci.gerrit.port import ChangeView
from xenci.model.change import Message, Patchset

#: What must be asked for, so that all of it is there.
OPTIONS = ("CURRENT_REVISION", "CURRENT_FILES", "ALL_REVISIONS", "DETAILED_ACCOUNTS", "MESSAGES")

#: Patchset-level comments by the id of the message that they came with.
Comments = Mapping[str, tuple[str, ...]]


def view(raw: Mapping[str, Any], comments: Comments, *, web: str) -> ChangeView | None:
    """Return a ChangeInfo as a ChangeView; `web` is Gerrit's address with its slash."""
    current = text(raw, "current_revision")
    revisions = mapping(raw, "revisions")
    found = [_patchset(raw, sha, mapping(revisions, sha), current, web) for sha in revisions]
    patchsets = sorted((one for one in found if one), key=lambda one: one.number)
    newest = next((one for one in patchsets if one.is_current), None)
    if newest is None:
        return None
    return ChangeView(
        patchset=newest,
        messages=tuple(_message(one, comments) for one in sequence(raw, "messages") if isinstance(one, dict)),
        patchsets=tuple(patchsets),
    )


def comments_by_message(raw: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the patchset-level comments of a change's `comments`."""
    found: dict[str, tuple[str, ...]] = {}
    for one in sequence(raw, "/PATCHSET_LEVEL"):
        if isinstance(one, dict) and text(one, "message"):
            key = text(one, "change_message_id")
            found[key] = (*found.get(key, ()), text(one, "message"))
    return found


def _patchset(raw: Mapping[str, Any], sha: str, revision: Mapping[str, Any], current: str, web: str) -> Patchset | None:
    change, patchset = number(raw, "_number"), number(revision, "_number")
    project, branch = text(raw, "project"), text(raw, "branch").removeprefix("refs/heads/")
    ref = text(revision, "ref") or change_ref(change, patchset)
    if not (project and branch and change and patchset and SHA.fullmatch(sha)) or ref != change_ref(change, patchset):
        return None
    return Patchset(
        project=project,
        branch=branch,
        change=change,
        number=patchset,
        key=text(raw, "change_id"),
        subject=text(raw, "subject"),
        sha=sha,
        ref=ref,
        owner=account(mapping(raw, "owner")),
        kind=text(revision, "kind") or "REWORK",
        uploaded_at=moment(revision, "created") or moment(raw, "updated") or EPOCH,
        status=text(raw, "status") or "NEW",
        wip=flag(raw, "work_in_progress"),
        private=flag(raw, "is_private"),
        is_current=sha == current,
        # /COMMIT_MSG and the like are no files
        files=tuple(path for path in mapping(revision, "files") if not path.startswith("/")),
        topic=text(raw, "topic"),
        url=f"{web}c/{project}/+/{change}",
    )


def _message(raw: Mapping[str, Any], comments: Comments) -> Message:
    key = text(raw, "id")
    return Message(
        id=key,
        author=account(mapping(raw, "author")),
        patchset=number(raw, "_revision_number"),
        text=text(raw, "message"),
        tag=text(raw, "tag"),
        posted_at=moment(raw, "date") or EPOCH,
        comments=comments.get(key, ()),
    )
