"""What the rest of xenci sees of Gerrit: events, changes, and two small protocols that the fake satisfies too."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from xenci.model.change import Account, Commit, Message, Patchset


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the stream, as far as it could be understood."""

    #: Gerrit's word: patchset-created comment-added ref-updated ..
    type: str
    #: when Gerrit says that it happened; the epoch if it says nothing
    at: datetime
    #: patch set it is about, or None if it is about none or too little of it was told
    patchset: Patchset | None = None
    #: who did it, if told
    author: Account | None = None
    #: comment that it carries
    message: Message | None = None
    #: project and git reference that moved, for a ref-updated
    project: str = ""
    ref: str = ""
    #: the whole line as JSON, with nothing in it that PostgreSQL could not keep
    raw: dict[str, Any] = field(default_factory=dict)

    @property
    def is_work(self) -> bool:
        """Whether anything may follow from it.

        Every action on a change also moves refs/changes/NN/N/meta and the patch set's own ref: those say nothing that
        another event does not say better.
        """
        if self.type == "ref-updated":
            return bool(self.ref) and not self.ref.startswith("refs/changes/")
        return self.patchset is not None or self.type == DROPPED_OUTPUT


#: Gerrit's word for "you were too slow and some lines are lost": look through the open changes
DROPPED_OUTPUT = "dropped-output"


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLine:
    """A line of the stream that is no event."""

    #: its beginning, printable
    text: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeView:
    """A change as Gerrit has it now."""

    #: the current patch set, with its files
    patchset: Patchset
    #: oldest first, with the patchset-level comments that came with each
    messages: tuple[Message, ...] = ()
    #: all that are known, oldest first
    patchsets: tuple[Patchset, ...] = ()


class GerritRest(Protocol):
    """Asks and tells. Every method raises a Temporary (no answer) or a Permanent (refused) of failures.py."""

    def change(self, number: int, *, project: str = "") -> ChangeView:
        """Return a change as it is now. Raises NotFound if there is none, or none that we may see.

        With its project Gerrit finds it without its index, which after a crash lacks the changes of the last minutes.
        """

    def open_changes(self, projects: Sequence[str], *, since: datetime) -> Iterator[ChangeView]:
        """Yield each open change of these projects that was touched since then, the latest first, each once.

        A project is a name, or a regular expression for whole names. Raises TooManyChanges if there are more than can
        be looked through.
        """

    def commit(self, number: int, sha: str, *, project: str = "") -> Commit:
        """Return what a patch set's commit says. Raises NotFound."""

    def changes_of_commit(self, sha: str) -> tuple[ChangeView, ...]:
        """Return the changes, open or not, of which a commit is a patch set: one for each branch it was pushed for."""

    def changes_of_key(self, key: str) -> tuple[ChangeView, ...]:
        """Return the changes, open or not, that have this Change-Id, in whatever project and branch."""

    def missed_events(self, *, since: datetime) -> Iterator[bytes] | None:
        """Return the lines of the stream since then from the server's own log of them, None if it keeps none."""

    def group_members(self, group: str) -> tuple[Account, ...]:
        """Return who is in a group, those of the groups in it too. Raises NotFound if there is none that we may see."""

    def review(self, number: int, sha: str, *, message: str, vote: int | None, tag: str, project: str = "") -> None:
        """Post a comment, with a Verified vote unless it is None. Not idempotent: look for it first."""

    def account(self) -> Account:
        """Return who we are; so also the check of the password."""


class GerritStream(Protocol):
    """Hears."""

    def lines(self) -> Iterator[bytes | None]:
        """Connect and yield each line; None about every second in which nothing was heard.

        Ends after close(). Raises a Temporary when the connection is lost (call it again), a Permanent when only a
        person can help: a changed host key, a refused key, a missing right.
        """

    def close(self) -> None:
        """End lines() within a second or so, from whatever thread."""
