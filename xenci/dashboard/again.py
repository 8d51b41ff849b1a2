"""The exact commands to do a build again: by a comment, by an operator, or by hand on any Xen host."""

import shlex
from dataclasses import dataclass

from xenci.config.models import Job, Settings
from xenci.store.tables import BuildRow, BuildsetRow, PatchsetRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """Commands, a line each."""

    #: makes the tree that was tested
    tree: tuple[str, ...]
    #: runs it on the node: start Nova, run the tests
    node: tuple[str, ...]
    #: what an operator types
    operator: tuple[str, ...]


def commands(settings: Settings, build: BuildRow, failed: tuple[str, ...] = ()) -> Commands:
    """Return the commands; `failed` are the tests of a second, short run."""
    job = next((job for job in settings.jobs if job.name == build.job), None)
    buildset = build.buildset
    patchset = buildset.patchset
    number = f"{patchset.change.number},{patchset.number}"
    return Commands(
        tree=_tree(settings, job, buildset, patchset),
        node=_node(job, build, failed) if job else (),
        operator=(
            f"xenci build show {build.uuid}",
            f"xenci build run {number} --pipeline {shlex.quote(buildset.pipeline)}",
        ),
    )


def _tree(settings: Settings, job: Job | None, buildset: BuildsetRow, patchset: PatchsetRow) -> tuple[str, ...]:
    project = patchset.change.project
    remote = shlex.quote(settings.gerrit.repository(project))
    folder = shlex.quote(project.rsplit("/", 1)[-1])
    lines = [
        f"git clone {remote} {folder} && cd {folder}",
        f"git fetch origin {shlex.quote(patchset.ref)}",
        f"git checkout --detach {shlex.quote(buildset.tip_sha or 'origin/' + patchset.change.branch)}",
        f"git merge --no-edit {shlex.quote(patchset.sha)}",
    ]
    for carry in job.carry if job else ():
        if carry.project != project:
            continue
        files = [f'"$carry"/{shlex.quote(beginning)}*.patch' for beginning in carry.patches] or ['"$carry"/*.patch']
        series = shlex.quote(f"configs/{carry.series.parent.name}/{carry.series.name}")
        lines += [f"carry=/path/to/xenci/{series}", f"git am -3 {' '.join(files)}"]
    return tuple(lines)


def _node(job: Job, build: BuildRow, failed: tuple[str, ...]) -> tuple[str, ...]:
    limit = int(job.deadlines.nova.total_seconds())
    tests = " ".join(shlex.quote(_runnable(test)) for test in (failed or job.tests))
    environment = " ".join(f"{name}={shlex.quote(value)}" for name, value in job.node.tempest_env.items())
    lines = [
        job.node.start_nova.format(commit=build.tree_sha or "COMMIT", limit=limit),
        f"cd {shlex.quote(job.node.tempest_dir)}",
        f"env {environment} {job.node.tempest.replace('{tests}', tests)} | subunit2pyunit",
    ]
    if build.tip_tree_sha and failed:
        lines += [
            "# the same without the change:",
            job.node.start_nova.format(commit=build.tip_tree_sha, limit=limit),
            f"env {environment} {job.node.tempest.replace('{tests}', tests)} | subunit2pyunit",
        ]
    return tuple(lines)


def _runnable(test_id: str) -> str:
    """Turn `setUpClass (a.B)` into `a.B` and take the attributes off `a.B.test_c[id-..]`."""
    if test_id.endswith(")") and " (" in test_id:
        test_id = test_id.split(" (", 1)[1].removesuffix(")")
    return test_id.split("[", 1)[0]
