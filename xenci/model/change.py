"""Changes and patch sets as Gerrit has them."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who did something in Gerrit. Any part may be missing."""

    username: str = ""
    name: str = ""
    email: str = ""
    #: Gerrit marks bots by SERVICE_USER
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Patchset:
    """One revision of a change, with what is needed of the change around it."""

    project: str
    branch: str
    #: the change's number
    change: int
    number: int
    #: the Change-Id of the commit message
    key: str
    subject: str
    #: the revision's commit
    sha: str
    #: refs/changes/NN/NNNNNN/N
    ref: str
    owner: Account
    #: REWORK TRIVIAL_REBASE NO_CODE_CHANGE ..
    kind: str = "REWORK"
    uploaded_at: datetime
    #: NEW MERGED ABANDONED
    status: str = "NEW"
    wip: bool = False
    private: bool = False
    #: whether this is the change's newest patch set, as far as is known
    is_current: bool = True
    #: files touched, relative to the project's root; empty if not told
    files: tuple[str, ...] = ()
    topic: str = ""
    url: str = ""

    @property
    def label(self) -> str:
        """`901234,5`"""
        return f"{self.change},{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """What a patch set's commit says of others."""

    #: the whole commit message
    message: str
    #: commits that it was made on, the first one first
    parents: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message on a change."""

    #: Gerrit's id of the message; for a stream event, derived from author and time
    id: str
    author: Account
    #: patch set it was written on, 0 if not told
    patchset: int
    text: str
    tag: str = ""
    posted_at: datetime
    #: patchset-level comments that came with it
    comments: tuple[str, ...] = field(default=())
