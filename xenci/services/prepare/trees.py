"""Makes the trees of a buildset's jobs: the change's own, and one for each other project that has what it needs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xenci.config.models import Job
from xenci.errors import NotFound
from xenci.gerrit.failures import HostileName
from xenci.gerrit.trees import CarryConflict, MergeConflict, OtherTree, Prepared, Source
from xenci.rules.branches import is_branch_covered
from xenci.services.context import Context
from xenci.services.prepare.needs import Need, Unmet
from xenci.store.tables import BuildsetRow, ChangeRow, PatchsetRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A branch of a project, and what is merged into it."""

    project: str
    branch: str
    needs: tuple[Need, ...]

    @property
    def sources(self) -> tuple[Source, ...]:
        """What is to be fetched and merged, in order."""
        return tuple(Source(ref=need.patchset.ref, sha=need.patchset.sha) for need in self.needs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which trees are made."""

    #: where the change itself goes
    own: Place
    others: tuple[Place, ...]
    #: all that the change needs, as it is written down
    needs: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trees:
    """The trees of one job."""

    own: Prepared
    others: tuple[tuple[Place, OtherTree], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """A tree that cannot be made."""

    place: Place
    conflict: MergeConflict | CarryConflict


def plan(ctx: Context, change: ChangeRow, needs: Sequence[Need], jobs: Sequence[Job]) -> Plan | Unmet:
    """Say which trees a change and its needs ask for. Raises NotFound, FetchFailed where a project must be asked.

    A need in another branch than the change's has no part in the tree of a project that has the change's branch: that
    branch is what is tested. A project without that branch, as Tempest, is tested from the branch of the need.
    """
    projects = dict.fromkeys(need.patchset.project for need in needs if need.patchset.project != change.project)
    own = _place(change.project, change.branch, needs)
    others: list[Place] = []
    for project in projects:
        lacking = next((job for job in jobs if project not in job.node.trees), None)
        try:
            branch = _branch(ctx, project, change.branch, needs)
        except (NotFound, HostileName):
            # git need not serve a project that is not tested in any case
            if lacking is None:
                raise
            return _without_place(lacking, project, needs)
        if isinstance(branch, Unmet):
            return branch
        place = _place(project, branch, needs)
        if place.needs and lacking is not None:
            return _without_place(lacking, project, place.needs)
        others += [place] if place.needs else []
    merged = {need.patchset.change for place in (own, *others) for need in place.needs}
    return Plan(own=own, others=tuple(others), needs=tuple(_told(need, merged) for need in needs))


def make_trees(ctx: Context, planned: Plan, patchset: PatchsetRow, buildset: BuildsetRow, job: Job) -> Trees | Stuck:
    """Make the trees of one job. Repeatable. Raises what Mirrors.prepare() raises."""
    own, name = planned.own, f"buildset-{buildset.id}-{job.name}"
    tree = ctx.mirrors.prepare(
        own.project,
        ctx.settings.gerrit.repository(own.project),
        branch=own.branch,
        ref=patchset.ref,
        sha=patchset.sha,
        needs=own.sources,
        carry_series=series_of(job, own.project, own.branch),
        name=name,
        at=buildset.created_at,
    )
    if not isinstance(tree, Prepared):
        return Stuck(place=own, conflict=tree)
    others: list[tuple[Place, OtherTree]] = []
    for place in planned.others:
        other = ctx.mirrors.prepare_other(
            place.project,
            ctx.settings.gerrit.repository(place.project),
            branch=place.branch,
            needs=place.sources,
            carry_series=series_of(job, place.project, place.branch),
            name=name,
            at=buildset.created_at,
        )
        if not isinstance(other, OtherTree):
            return Stuck(place=place, conflict=other)
        others.append((place, other))
    return Trees(own=tree, others=tuple(others))


def series_of(job: Job, project: str, branch: str) -> list[Path]:
    """Return the patches that a job carries on a project's branch, in order."""
    found: list[Path] = []
    for carry in job.carry:
        if carry.project == project and is_branch_covered(branch, (carry.branch,)):
            patches = sorted(carry.series.glob("*.patch"))
            found += [p for p in patches if not carry.patches or p.name.startswith(carry.patches)]
    return found


def _place(project: str, branch: str, needs: Sequence[Need]) -> Place:
    here = [need for need in needs if (need.patchset.project, need.patchset.branch) == (project, branch)]
    return Place(project=project, branch=branch, needs=tuple(here))


def _without_place(job: Job, project: str, needs: Iterable[Need]) -> Unmet:
    which = ", ".join(str(need.patchset.change) for need in needs if need.patchset.project == project)
    why = f"the job {job.name} cannot put a tree of {project} onto the node"
    return Unmet(reason=f"{why}, and the change needs {which} of it")


def _branch(ctx: Context, project: str, branch: str, needs: Sequence[Need]) -> str | Unmet:
    """Return the branch of another project that is tested with a change for `branch`."""
    theirs = {need.patchset.branch for need in needs if need.patchset.project == project}
    if branch in theirs or ctx.mirrors.tips(project, ctx.settings.gerrit.repository(project), [branch]):
        return branch
    if len(theirs) == 1:
        return theirs.pop()
    return Unmet(reason=f"the change needs changes of {project} in several branches: {', '.join(sorted(theirs))}")


def _told(need: Need, merged: set[int]) -> dict[str, Any]:
    patchset = need.patchset
    return {
        "change": patchset.change,
        "patchset": patchset.number,
        "sha": patchset.sha,
        "ref": patchset.ref,
        "project": patchset.project,
        "branch": patchset.branch,
        "how": need.how,
        "is_merged_in": patchset.change in merged,
    }
