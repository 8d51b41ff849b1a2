"""Makes what is tested: the change merged with its branch's tip, and the carried series on top of both.

The tip with the carry is made as well: it is what a failed test runs against to tell whose failure it is. That a change
conflicts, with its branch or with the carry, is an expected outcome and so a value.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from xenci.gerrit import carry
from xenci.gerrit.failures import FetchFailed
from xenci.gerrit.git import git
from xenci.gerrit.mirror import OURS, Mirror, check_names, known, locked, path_of
from xenci.gerrit.names import check_branch, check_name, check_ref, check_sha, check_url

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What is tested. Its commits stay under refs/xenci/NAME/{tip,change,merged,tree,tip_tree}."""

    #: the bare mirror that has all these commits
    repository: Path
    #: the branch's tip
    tip_sha: str
    #: the change merged with the tip; the change itself if it is on the tip already
    merged_sha: str
    #: merged, with the carry: what the node runs
    tree_sha: str
    #: the tip, with the carry: the same for every change as long as the tip is the same
    tip_tree_sha: str
    #: first lines of the carried commits, in order
    carry: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeConflict:
    """The change does not merge with its branch's tip."""

    tip_sha: str
    #: files in conflict; empty if the two have no common history
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CarryConflict:
    """The carried series does not apply."""

    #: file name of the first patch that does not
    patch: str
    #: files in conflict
    files: tuple[str, ...]
    #: whether it does not apply on the branch's tip either: then the series must be renewed
    on_tip: bool


class Mirrors:
    """The bare mirrors of all projects, in one folder. Safe to use from several threads and processes."""

    def __init__(
        self,
        folder: Path,
        *,
        fetch_limit: timedelta = timedelta(minutes=30),
        limit: timedelta = timedelta(minutes=3),
        patience: timedelta = timedelta(minutes=5),
    ) -> None:
        """`fetch_limit` is for one fetch (the first brings the whole branch), `limit` for any other git command,

        `patience` for the wait while another one works in the same project's mirror.
        """
        self._folder = folder.resolve()
        self._fetch_limit, self._limit, self._patience = fetch_limit, limit, patience

    def prepare(
        self,
        project: str,
        url: str,
        *,
        branch: str,
        ref: str,
        sha: str,
        carry_series: Sequence[Path],
        name: str,
        at: datetime,
    ) -> Prepared | MergeConflict | CarryConflict:
        """Fetch the tip and the patch set, merge them, and put the series (files, or folders of them) on top.

        `at` dates the merge commit, so the same arguments on the same tip give the same commits.
        Raises NotFound, FetchFailed, HostileName, NoSeries, MirrorBusy, GitFailed.
        """
        check_name(name), check_branch(branch), check_ref(ref), check_sha(sha), check_url(url)
        series = carry.patches(carry_series)
        with locked(self._folder, project, patience=self._patience) as mirror:
            tip = self._fetch(mirror, url, branch, ref, sha, name)
            merged = self._merge(mirror, tip, sha, f"Merge {ref} into {branch}", at)
            if isinstance(merged, MergeConflict):
                return merged
            # the tip first: if the series is out of date there, that is no fault of the change's
            on_tip = carry.put_on(mirror, tip, series, limit=self._limit)
            if isinstance(on_tip, carry.Stuck):
                return CarryConflict(patch=on_tip.patch, files=on_tip.files, on_tip=True)
            on_change = carry.put_on(mirror, merged, series, limit=self._limit)
            if isinstance(on_change, carry.Stuck):
                return CarryConflict(patch=on_change.patch, files=on_change.files, on_tip=False)
            kept = {"tip": tip, "merged": merged, "tree": on_change.sha, "tip_tree": on_tip.sha}
            mirror.keep(name, kept)
            log.info("gerrit.tree.prepared", project=project, name=name, **kept)
            return Prepared(
                repository=mirror.repository,
                tip_sha=tip,
                merged_sha=merged,
                tree_sha=on_change.sha,
                tip_tree_sha=on_tip.sha,
                carry=on_change.subjects,
            )

    def repository(self, project: str) -> Path:
        """Return where a project's mirror is, once prepare() has been there. Raises HostileName."""
        return path_of(self._folder, project)

    def projects(self) -> list[str]:
        """Return the projects that have a mirror."""
        return known(self._folder)

    def names(self, project: str) -> set[str]:
        """Return the names under which commits of a project are kept."""
        with locked(self._folder, project, patience=self._patience) as mirror:
            return mirror.names()

    def forget(self, project: str, names: Collection[str]) -> None:
        """Let go of what was prepared under these names; its disk space comes back with tidy()."""
        with locked(self._folder, project, patience=self._patience) as mirror:
            mirror.forget(check_names(names))

    def tidy(self) -> None:
        """Drop and pack what nothing names, in every mirror that needs it. May take minutes; now and then is enough."""
        for project in known(self._folder):
            with locked(self._folder, project, patience=self._patience) as mirror:
                mirror.pack()

    def _fetch(self, mirror: Mirror, url: str, branch: str, ref: str, sha: str, name: str) -> str:
        """Bring the branch's tip and the patch set; return the tip."""
        tip, change = f"refs/heads/{branch}", f"{OURS}/{name}/change"
        mirror.fetch(url, (f"+{tip}:{tip}", f"+{ref}:{change}"), limit=self._fetch_limit)
        found, tip_sha = mirror.commits(change, tip)
        if found != sha:
            # Gerrit may answer inconsistently right after an upload
            raise FetchFailed(f"{ref} of {url} is {found}, expected {sha}", remedy="It is tried again")
        return tip_sha

    def _merge(self, mirror: Mirror, tip: str, sha: str, message: str, at: datetime) -> str | MergeConflict:
        bases = git("merge-base", tip, sha, at=mirror.repository, limit=self._limit, ok=(0, 1)).text.splitlines()
        if not bases:
            return MergeConflict(tip_sha=tip, files=())
        if bases[0] in (tip, sha):
            return sha if bases[0] == tip else tip
        how = ("merge-tree", "--write-tree", "--name-only", "--no-messages", "-z")
        merged = git(*how, tip, sha, at=mirror.repository, limit=self._limit, ok=(0, 1))
        tree, *files = merged.names
        if merged.exit_code == 1:
            return MergeConflict(tip_sha=tip, files=tuple(sorted(set(files))))
        date = f"{int(at.timestamp())} +0000"
        dates = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
        commit = ("commit-tree", tree, "-p", tip, "-p", sha, "-m", message)
        return git(*commit, at=mirror.repository, limit=self._limit, env=dates).text
