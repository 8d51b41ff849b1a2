"""Push changes to the lab's Gerrit as a developer would: git over SSH, a Change-Id in the message, one address back.

What lives here: the kinds of change (`kinds`), the developer's clone (`clone`), and pushing. What may not: what a
reviewer does in the browser; that is `xenci/lab/gerrit/review.py`.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from xenci.errors import Permanent
from xenci.lab.gerrit import review, url
from xenci.lab.gerrit.people import ADMIN, DEV
from xenci.lab.gerrit.rest import name
from xenci.lab.gerrit.seed import NOVA, NOVA_BRANCH
from xenci.lab.paths import LabPaths
from xenci.lab.push import clone
from xenci.lab.push.kinds import KINDS, Kind


class UnknownKind(Permanent):
    """There is no such kind of change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """A patch set that Gerrit has taken."""

    #: address of the change, to open in a browser
    url: str
    number: int
    patchset: int
    #: commit of the patch set
    sha: str

    def to_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self))


def push(
    paths: LabPaths, kind: str, *, parent: str | None = None, topic: str = "", needs: Sequence[str] = ()
) -> Pushed:
    """Push a new change of this kind on the branch tip, or on the commit `parent`; with Gerrit's topic, if given.

    `needs` are the addresses of changes that it depends on, in whatever project.

    `conflict` moves the tip first and is based on the old one. Raises UnknownKind, PlaceIsGone, GitFailed.
    """
    chosen = _kind(kind)
    base = parent or clone.tip(paths)
    if kind == "conflict":
        advance_branch(paths, kind)
    return _send(paths, chosen, base, f"I{secrets.token_hex(20)}", topic, needs)


def new_patchset(paths: LabPaths, number: int, kind: str = "good") -> Pushed:
    """Replace a change's content by that of `kind`, on the same parent: a new patch set of the same change."""
    chosen = _kind(kind)
    info = review.change(paths, number)
    current = info["revisions"][info["current_revision"]]
    sha = clone.fetch(paths, current["ref"])
    return _send(paths, chosen, f"{sha}^", info["change_id"])


def advance_branch(paths: LabPaths, kind: str) -> str:
    """Move the branch tip by a commit of this kind, past review; return the new tip.

    So a test has a tip that conflicts, or one that is broken itself, without a change for the CI to run.
    """
    chosen = _kind(kind)
    serial = secrets.token_hex(3)
    old = clone.tip(paths)
    sha = clone.commit(paths, old, chosen.file, chosen.edit, f"{chosen.message}\n", serial, ADMIN)
    clone.send(paths, sha, f"refs/heads/{NOVA_BRANCH}", ADMIN)
    return sha


def reset_branch(paths: LabPaths, sha: str) -> None:
    """Take the branch back to a commit it had before."""
    clone.send(paths, sha, f"refs/heads/{NOVA_BRANCH}", ADMIN, force=True)


def _kind(kind: str) -> Kind:
    if kind not in KINDS:
        raise UnknownKind(repr(kind), remedy=f"Choose one of {', '.join(KINDS)}")
    return KINDS[kind]


def _send(
    paths: LabPaths, kind: Kind, parent: str, change_id: str, topic: str = "", needs: Sequence[str] = ()
) -> Pushed:
    serial = secrets.token_hex(3)
    footer = "".join(f"Depends-On: {address}\n" for address in needs)
    message = f"{kind.message}\n\n{footer}Change-Id: {change_id}\n"
    sha = clone.commit(paths, parent, kind.file, kind.edit, message, serial, DEV)
    clone.send(paths, sha, f"refs/for/{NOVA_BRANCH}" + (f"%topic={topic}" if topic else ""), DEV)
    info = review.change(paths, f"{name(NOVA)}~{name(NOVA_BRANCH)}~{change_id}")
    number = int(info["_number"])
    patchset = int(info["revisions"][sha]["_number"])
    return Pushed(url=f"{url(paths)}c/{NOVA}/+/{number}", number=number, patchset=patchset, sha=sha)
