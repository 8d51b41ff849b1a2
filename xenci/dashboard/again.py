"""The exact commands to do a build again: by a comment, by an operator, or by hand on any Xen host.

By hand the tree is made anew, so its commit ids are not the build's: on the node it is known by a ref of its own.
"""

import shlex
from dataclasses import dataclass
from typing import Any

from xenci.config.models import Job, Settings
from xenci.model.build import Phase, Run
from xenci.rules.branches import is_branch_covered
from xenci.store.tables import BuildRow, BuildsetRow

_REF, _TIP_REF = "refs/xenci/again", "refs/xenci/again-tip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """Commands, a line each."""

    #: what an operator types
    operator: tuple[str, ...]
    #: makes the tree that was tested and pushes it onto the node; none for a job that runs nothing or is not known
    tree: tuple[str, ...] = ()
    #: runs it on the node: start Nova, run the tests
    node: tuple[str, ...] = ()
    #: the job is known, and runs nothing
    runs_nothing: bool = False


def commands(settings: Settings, build: BuildRow, failed: tuple[str, ...] = ()) -> Commands:
    """Return the commands; `failed` are the tests of a second, short run."""
    job = next((job for job in settings.jobs if job.name == build.job), None)
    buildset = build.buildset
    number = f"{buildset.patchset.change.number},{buildset.patchset.number}"
    operator = (
        f"xenci build show {build.uuid}",
        f"xenci build run {number} --pipeline {shlex.quote(buildset.pipeline)}",
    )
    if job is None or job.noop:
        return Commands(operator=operator, runs_nothing=job is not None)
    asks_tip = bool(build.tip_tree_sha) and (bool(failed) or any(phase.run == Run.TIP for phase in build.phases))
    return Commands(
        operator=operator,
        tree=_tree(settings, job, buildset, asks_tip=asks_tip) + _other_trees(settings, job, build),
        node=_node(job, build, failed, asks_tip=asks_tip),
    )


def _tree(settings: Settings, job: Job, buildset: BuildsetRow, *, asks_tip: bool) -> tuple[str, ...]:
    patchset = buildset.patchset
    project, branch = patchset.change.project, patchset.change.branch
    folder = shlex.quote(project.rsplit("/", 1)[-1])
    checkout = f"git checkout --detach {shlex.quote(buildset.tip_sha or f'origin/{branch}')}"
    needs = [one for one in buildset.needs or () if one["is_merged_in"] and one["project"] == project]
    before = [checkout, *_merge(needs)]
    carry, node = _carry(job, project, branch), _node_address(settings, job)
    lines = [
        f"git clone {shlex.quote(settings.gerrit.repository(project))} {folder} && cd {folder}",
        f"git fetch origin {shlex.quote(patchset.ref)}",
        *before,
        f"git merge --no-edit {shlex.quote(patchset.sha)}",
        *carry,
        f"git push --force {node} HEAD:{_REF}",
    ]
    if asks_tip:
        lines += ["# the same without the change:", *before, *carry, f"git push --force {node} HEAD:{_TIP_REF}"]
    return tuple(lines)


def _other_trees(settings: Settings, job: Job, build: BuildRow) -> tuple[str, ...]:
    """Return what makes and pushes the trees of other projects that the change needs."""
    lines: list[str] = []
    for tree in build.other_trees or ():
        project, branch = tree["project"], tree["branch"]
        needs = [
            one
            for one in build.buildset.needs
            if one["is_merged_in"] and (one["project"], one["branch"]) == (project, branch)
        ]
        folder = shlex.quote(project.rsplit("/", 1)[-1])
        lines += [
            f"# what it needs of {project}:",
            f"cd .. && git clone {shlex.quote(settings.gerrit.repository(project))} {folder} && cd {folder}",
            f"git checkout --detach {shlex.quote(tree['tip_sha'])}",
            *_merge(needs),
            *_carry(job, project, branch),
            f"git push --force {_node_address(settings, job, job.node.trees.get(project, 'PATH'))} HEAD:{_REF}",
        ]
    return tuple(lines)


def _merge(needs: list[dict[str, Any]]) -> list[str]:
    """Return what merges the changes that are needed."""
    return [
        f"git fetch origin {shlex.quote(one['ref'])} && git merge --no-edit {shlex.quote(one['sha'])}" for one in needs
    ]


def _carry(job: Job, project: str, branch: str) -> list[str]:
    """Return what puts the job's series on top, as services/prepare.py does it."""
    lines = []
    for carry in job.carry:
        if carry.project != project or not is_branch_covered(branch, (carry.branch,)):
            continue
        names = [f'"$carry"/{shlex.quote(start)}*.patch' for start in sorted(carry.patches)] or ['"$carry"/*.patch']
        series = shlex.quote(f"configs/{carry.series.parent.name}/{carry.series.name}")
        lines += [f"carry=/path/to/xenci/{series}", f"git am -3 {' '.join(names)}"]
    return lines


def _node_address(settings: Settings, job: Job, path: str = "") -> str:
    label = next((label for label in settings.labels if label.name == job.label), None)
    user = label.ssh_user if label else "root"
    port = f":{label.ssh_port}" if label and label.ssh_port != 22 else ""
    return shlex.quote(f"ssh://{user}@NODE{port}{path or job.node.tree}")


def _node(job: Job, build: BuildRow, failed: tuple[str, ...], *, asks_tip: bool) -> tuple[str, ...]:
    """Return what services/advance/course.py has done by units, with their environment."""
    tip_tests = failed or tuple(build.memory.get(f"tests_{Run.TIP}", ())) or job.boot_tests
    environment = " ".join(f"{name}={shlex.quote(value)}" for name, value in job.node.tempest_env.items())
    lines = [
        f"set -a; . {shlex.quote(job.node.env_file)}; set +a",
        *(
            f"git -C {shlex.quote(job.node.trees[one['project']])} checkout --force --detach {_REF}"
            for one in build.other_trees or ()
            if one["project"] in job.node.trees
        ),
        _start(job, _REF),
        *(("# Nova did not start; it was started once more:", _start(job, _REF)) if _is_started_twice(build) else ()),
        f"cd {shlex.quote(job.node.tempest_dir)}",
        f"env {environment} {_tempest(job, failed or job.tests)}",
    ]
    if asks_tip:
        lines += [
            "# the same without the change:",
            _start(job, _TIP_REF),
            f"env {environment} {_tempest(job, tip_tests)}",
        ]
    return tuple(lines)


def _is_started_twice(build: BuildRow) -> bool:
    return any(phase.phase == Phase.NOVA and phase.run == Run.AGAIN for phase in build.phases)


def _start(job: Job, ref: str) -> str:
    commit = f'"$(git -C {shlex.quote(job.node.tree)} rev-parse {ref})"'
    limit = str(int(job.deadlines.nova.total_seconds()))
    return job.node.start_nova.replace("{commit}", commit).replace("{limit}", limit)


def _tempest(job: Job, tests: tuple[str, ...]) -> str:
    return f"{job.node.tempest.replace('{tests}', shlex.join(map(_runnable, tests)))} | subunit2pyunit"


def _runnable(test_id: str) -> str:
    """Turn `setUpClass (a.B)` into `a.B` and take the attributes off `a.B.test_c[id-..]`."""
    if test_id.endswith(")") and " (" in test_id:
        test_id = test_id.split(" (", 1)[1].removesuffix(")")
    return test_id.split("[", 1)[0]
