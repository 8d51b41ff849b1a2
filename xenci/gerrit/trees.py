"""Makes what is tested: the change merged with its branch's tip and with what it needs, and the carried series on top.

What a change needs, its parents and what its message depends on, is merged with the tip first. That, with the carry but
without the change, is made as well: it is what a failed test runs against to tell whose failure it is. What a parent
breaks is not the fault of the change on top of it, so the parents are in both; the commit's own parent too, by git's
word, as Gerrit may not show whose patch set it is (a private change's, or one that its index lacks). That a change
conflicts, with its branch, with what it needs or with the carry, is an expected outcome and so a value.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from xenci.gerrit import carry, merge
from xenci.gerrit.failures import FetchFailed
from xenci.gerrit.merge import MergeConflict, Source
from xenci.gerrit.mirror import OURS, Mirror, check_names, is_taken, known, list_tips, locked, path_of
from xenci.gerrit.names import check_branch, check_name, check_ref, check_sha, check_url

__all__ = ["CarryConflict", "MergeConflict", "Mirrors", "OtherTree", "Prepared", "Source"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What is tested. Its commits stay under refs/xenci/NAME/{tip,change,merged,tree,tip_tree}."""

    #: the bare mirror that has all these commits
    repository: Path
    #: the branch's tip
    tip_sha: str
    #: the change merged with the tip and what it needs; the change itself if it is on top of these already
    merged_sha: str
    #: merged, with the carry: what the node runs
    tree_sha: str
    #: the tip and what the change needs, with the carry: for changes that need nothing, the same as long as the tip is
    tip_tree_sha: str
    #: first lines of the carried commits, in order
    carry: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherTree:
    """Another project's tree: its tip with what the change needs there, and the carry. Kept under refs/xenci/NAME."""

    tip_sha: str
    tree_sha: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CarryConflict:
    """The carried series does not apply."""

    tip_sha: str
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
        needs: Sequence[Source] = (),
    ) -> Prepared | MergeConflict | CarryConflict:
        """Fetch the tip and the patch sets, merge them, and put the series (files, or folders of them) on top.

        `needs` are merged first, in this order. `at` dates the merge commits, so the same arguments on the same tip
        give the same commits. Raises NotFound, FetchFailed, HostileName, NoSeries, MirrorBusy, GitFailed.
        """
        change = Source(ref=ref, sha=sha)
        _check(url, branch, name, (*needs, change))
        series = carry.patches(carry_series)
        with locked(self._folder, project, patience=self._patience) as mirror:
            tip = self._fetch(mirror, url, branch, (*needs, change), name)
            base = self._base(mirror, tip, needs, change, branch, at)
            if isinstance(base, MergeConflict):
                return base
            merged = merge.one_of(mirror, base, change, branch, at, limit=self._limit)
            if isinstance(merged, merge.Stuck):
                return MergeConflict(tip_sha=tip, files=merged.files)
            # without the change first: if the series is out of date there, that is no fault of the change's
            on_base = self._carry(mirror, tip, base, series)
            if isinstance(on_base, CarryConflict):
                return on_base
            on_change = self._carry(mirror, tip, merged, series, fits_tip=True)
            if isinstance(on_change, CarryConflict):
                return on_change
            kept = {"tip": tip, "merged": merged, "tree": on_change.sha, "tip_tree": on_base.sha}
            mirror.keep(name, kept)
            log.info("gerrit.tree.prepared", project=project, name=name, **kept)
            return Prepared(
                repository=mirror.repository,
                tip_sha=tip,
                merged_sha=merged,
                tree_sha=on_change.sha,
                tip_tree_sha=on_base.sha,
                carry=on_change.subjects,
            )

    def prepare_other(
        self,
        project: str,
        url: str,
        *,
        branch: str,
        needs: Sequence[Source],
        carry_series: Sequence[Path],
        name: str,
        at: datetime,
    ) -> OtherTree | MergeConflict | CarryConflict:
        """Make the tree of a project that is not the change's own, but has changes that it needs.

        Raises what prepare() raises.
        """
        _check(url, branch, name, needs)
        series = carry.patches(carry_series)
        with locked(self._folder, project, patience=self._patience) as mirror:
            tip = self._fetch(mirror, url, branch, needs, name)
            merged = merge.all_of(mirror, tip, needs, branch, at, limit=self._limit)
            if isinstance(merged, MergeConflict):
                return merged
            carried = self._carry(mirror, tip, merged, series)
            if isinstance(carried, CarryConflict):
                return carried
            kept = {"tip": tip, "merged": merged, "tree": carried.sha}
            mirror.keep(name, kept)
            log.info("gerrit.tree.prepared", project=project, name=name, **kept)
            return OtherTree(tip_sha=tip, tree_sha=carried.sha)

    def tips(self, project: str, url: str, branches: Collection[str]) -> dict[str, str]:
        """Ask the server for the tips of these branches; one that the project does not have is left out.

        Raises NotFound, FetchFailed, HostileName.
        """
        path_of(self._folder, project), check_url(url)
        return list_tips(url, [check_branch(branch) for branch in branches], limit=self._limit)

    def is_busy(self, project: str) -> bool:
        """Tell whether another one works in a project's mirror at this moment. Raises HostileName."""
        return is_taken(self._folder, project)

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

    def _fetch(self, mirror: Mirror, url: str, branch: str, sources: Sequence[Source], name: str) -> str:
        """Bring the branch's tip and the patch sets; return the tip. The last one, the change, is kept by its name."""
        tip = f"refs/heads/{branch}"
        refs = {f"{OURS}/{name}/needed-{i}": one for i, one in enumerate(sources[:-1])}
        refs[f"{OURS}/{name}/change"] = sources[-1]
        specs = [f"+{one.ref}:{ours}" for ours, one in refs.items()]
        mirror.fetch(url, (f"+{tip}:{tip}", *specs), limit=self._fetch_limit)
        tip_sha, *found = mirror.commits(tip, *refs)
        for one, sha in zip(refs.values(), found, strict=True):
            if sha != one.sha:
                # Gerrit may answer inconsistently right after an upload
                raise FetchFailed(f"{one.ref} of {url} is {sha}, expected {one.sha}", remedy="It is tried again")
        return tip_sha

    def _base(
        self, mirror: Mirror, tip: str, needs: Sequence[Source], change: Source, branch: str, at: datetime
    ) -> str | MergeConflict:
        """Return all that is tested but the change: the tip, what it needs, and what its commit is on top of."""
        base = merge.all_of(mirror, tip, needs, branch, at, limit=self._limit)
        parent = merge.first_parent(mirror, change.sha, limit=self._limit)
        if isinstance(base, MergeConflict) or parent is None:
            return base
        below = Source(ref=f"the parent of {change.ref}", sha=parent)
        merged = merge.one_of(mirror, base, below, branch, at, limit=self._limit)
        return MergeConflict(tip_sha=tip, files=merged.files) if isinstance(merged, merge.Stuck) else merged

    def _carry(
        self, mirror: Mirror, tip: str, commit: str, series: Sequence[Path], *, fits_tip: bool = False
    ) -> carry.Carried | CarryConflict:
        """Put the series on a commit. Where it is stuck, the tip is tried too, unless it is known to fit there."""
        done = carry.put_on(mirror, commit, series, limit=self._limit)
        if isinstance(done, carry.Carried):
            return done
        on_tip = not fits_tip and (
            commit == tip or isinstance(carry.put_on(mirror, tip, series, limit=self._limit), carry.Stuck)
        )
        return CarryConflict(tip_sha=tip, patch=done.patch, files=done.files, on_tip=on_tip)


def _check(url: str, branch: str, name: str, sources: Sequence[Source]) -> None:
    check_name(name), check_branch(branch), check_url(url)
    for one in sources:
        check_ref(one.ref), check_sha(one.sha)
