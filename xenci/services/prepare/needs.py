"""Finds what a change needs: its parents, what its commit message depends on, and what those need in turn.

A change on top of an older patch set, or of one that was abandoned, is run as it was pushed, as Zuul's check does: its
author wants to know. What is refused is what nobody could merge in any order: changes that depend on each other, or on
one that is abandoned. What is merged is in the branch already.
"""

from collections.abc import Collection
from dataclasses import dataclass

from xenci.errors import NotFound
from xenci.gerrit.port import ChangeView
from xenci.model.change import Patchset
from xenci.rules.depends import Circle, Named, depends_on, in_order
from xenci.services.context import Context
from xenci.store.tables import ChangeRow, PatchsetRow

#: most changes that one may need
MOST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A change that is merged before the one under test."""

    patchset: Patchset
    #: `parent` or `depends-on`
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmet:
    """What a change needs cannot be tested with it."""

    #: a sentence
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Commit:
    """A patch set whose needs are looked for."""

    change: int
    project: str
    branch: str
    sha: str
    #: how a sentence about its needs names it
    words: str


def find_needs(ctx: Context, change: ChangeRow, patchset: PatchsetRow) -> tuple[Need, ...] | Unmet:
    """Return all that a patch set needs and that is not merged, in the order of merging, as Gerrit shows it now."""
    first = _Commit(
        change=change.number, project=change.project, branch=change.branch, sha=patchset.sha, words="the change"
    )
    found: dict[int, Need] = {}
    graph: dict[int, list[int]] = {}
    rest = [first]
    while rest:
        one = rest.pop()
        needs = _direct(ctx, one)
        if isinstance(needs, Unmet):
            return needs
        graph[one.change] = [need.patchset.change for need in needs]
        for need in needs:
            number = need.patchset.change
            if number != change.number and number not in found:
                found[number] = need
                rest.append(_commit_of(need.patchset))
        if len(found) > MOST:
            return Unmet(reason=f"the change needs more than {MOST} others")
    order = in_order(change.number, graph)
    if isinstance(order, Circle):
        return Unmet(reason=f"changes depend on each other: {' needs '.join(map(str, order.changes))}")
    return tuple(found[number] for number in order[:-1])


def names_the_same(ctx: Context, change: int, shas: Collection[str]) -> bool:
    """Tell whether the commit messages of these patch sets of a change depend on the same changes."""
    try:
        return len({depends_on(ctx.gerrit.commit(change, sha).message, _addresses(ctx)) for sha in shas}) == 1
    except NotFound:
        # a patch set that was deleted
        return False


def _direct(ctx: Context, one: _Commit) -> list[Need] | Unmet:
    """Return what one commit needs itself: its parents first, then what its message names."""
    commit = ctx.gerrit.commit(one.change, one.sha, project=one.project)
    needs: list[Need] = []
    for sha in commit.parents:
        parent = _parent(ctx, one, sha)
        needs += [Need(patchset=parent, how="parent")] if parent else []
    names = depends_on(commit.message, _addresses(ctx))
    if len(names) > MOST:
        return Unmet(reason=f"{one.words} depends on more than {MOST} others")
    for named in names:
        wanted = _named(ctx, one, named)
        if isinstance(wanted, Unmet):
            return wanted
        needs += [Need(patchset=patchset, how="depends-on") for patchset in wanted]
    return needs


def _parent(ctx: Context, one: _Commit, sha: str) -> Patchset | None:
    """Return the patch set that a commit is on top of; None if that is the branch, or nothing that we may see.

    It may be an older one of its change, or of a change that was abandoned. What Gerrit does not show is in the tip's
    tree all the same: Mirrors.prepare() asks git for the commit's parent.
    """
    for view in ctx.gerrit.changes_of_commit(sha):
        parent = view.patchset
        if (parent.project, parent.branch) != (one.project, one.branch) or parent.status == "MERGED":
            continue
        return next(known for known in (parent, *view.patchsets) if known.sha == sha)
    return None


def _named(ctx: Context, one: _Commit, named: Named) -> list[Patchset] | Unmet:
    """Return the open changes that a line of a commit message names; those that are merged are left out."""
    views = _views(ctx, named)
    # a Change-Id may be that of a change and of its backports: the one for this branch is meant, if there is one
    here = [view.patchset for view in views if view.patchset.branch == one.branch]
    known = here or [view.patchset for view in views]
    living = [patchset for patchset in known if patchset.status in ("NEW", "MERGED")]
    if not known:
        return Unmet(reason=f"{one.words} depends on {named.words}, which Gerrit does not show")
    if not living:
        return Unmet(reason=f"{one.words} depends on change {known[0].change}, which is {known[0].status.lower()}")
    return [patchset for patchset in living if patchset.status == "NEW"]


def _views(ctx: Context, named: Named) -> list[ChangeView]:
    if named.key:
        return list(ctx.gerrit.changes_of_key(named.key))
    try:
        return [ctx.gerrit.change(named.number)]
    except NotFound:
        return []


def _addresses(ctx: Context) -> tuple[str, ...]:
    return (ctx.settings.gerrit.url, *ctx.settings.gerrit.aliases)


def _commit_of(patchset: Patchset) -> _Commit:
    return _Commit(
        change=patchset.change,
        project=patchset.project,
        branch=patchset.branch,
        sha=patchset.sha,
        words=f"change {patchset.change}, which it needs,",
    )
