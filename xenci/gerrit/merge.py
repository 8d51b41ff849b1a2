"""Merges patch sets with a commit, without a checkout. The same arguments give the same commits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from xenci.gerrit.git import git
from xenci.gerrit.mirror import Mirror


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A patch set to merge."""

    #: refs/changes/NN/NNNN/N
    ref: str
    #: the commit that it must be
    sha: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeConflict:
    """The change, or one that it needs, does not merge with its branch's tip."""

    tip_sha: str
    #: files in conflict; empty if the two have no common history
    files: tuple[str, ...]
    #: reference of the needed patch set that does not merge; empty if it is the change itself
    ref: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """A patch set does not merge."""

    #: files in conflict; empty if the two have no common history
    files: tuple[str, ...]


def all_of(
    mirror: Mirror, tip: str, needs: Sequence[Source], branch: str, at: datetime, *, limit: timedelta
) -> str | MergeConflict:
    """Merge patch sets with a branch's tip, one after the other; return the last commit. `at` dates the merges."""
    base = tip
    for one in needs:
        merged = one_of(mirror, base, one, branch, at, limit=limit)
        if isinstance(merged, Stuck):
            return MergeConflict(tip_sha=tip, files=merged.files, ref=one.ref)
        base = merged
    return base


def one_of(mirror: Mirror, base: str, one: Source, branch: str, at: datetime, *, limit: timedelta) -> str | Stuck:
    """Merge a patch set with a commit; where one has the other in it already, that is returned as it is."""
    bases = git("merge-base", base, one.sha, at=mirror.repository, limit=limit, ok=(0, 1)).text.splitlines()
    if not bases:
        return Stuck(files=())
    if bases[0] in (base, one.sha):
        return one.sha if bases[0] == base else base
    how = ("merge-tree", "--write-tree", "--name-only", "--no-messages", "-z")
    merged = git(*how, base, one.sha, at=mirror.repository, limit=limit, ok=(0, 1))
    tree, *files = merged.names
    if merged.exit_code == 1:
        return Stuck(files=tuple(sorted(set(files))))
    date = f"{int(at.timestamp())} +0000"
    dates = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    commit = ("commit-tree", tree, "-p", base, "-p", one.sha, "-m", f"Merge {one.ref} into {branch}")
    return git(*commit, at=mirror.repository, limit=limit, env=dates).text


def first_parent(mirror: Mirror, sha: str, *, limit: timedelta) -> str | None:
    """Return the commit that another one is on top of, None for a first one. What a merge brings in is its own."""
    listed = git("rev-list", "--max-count=1", "--parents", sha, at=mirror.repository, limit=limit).text.split()
    return listed[1] if len(listed) > 1 else None
