"""Puts the trees of other projects onto the node, where the job's contract says that they run from."""

import shlex

from xenci.errors import ConfigError
from xenci.host.port import CommandFailed, Host
from xenci.model.build import Phase, Run
from xenci.services.advance.work import Work
from xenci.services.context import Context


def put_on(ctx: Context, work: Work, host: Host) -> None:
    """Push each other project's tree and check it out. Repeatable.

    Raises CommandFailed, HostLost; ConfigError if the contract lost the place meanwhile: a test without the tree that
    the change needs would be a wrong one.
    """
    for project, commit in work.other_trees:
        path = work.job.node.trees.get(project)
        if path is None:
            raise ConfigError(
                f"the job {work.job.name} has no place for a tree of {project} any more",
                remedy="put it back into jobs[].node.trees",
            )
        host.push_tree(
            ctx.mirrors.repository(project),
            commit,
            remote_path=path,
            ref=f"refs/xenci/{work.build_id}/{Run.FIRST}",
            timeout=work.limit(Phase.TREE),
        )
        checkout = f"git -C {shlex.quote(path)} checkout --quiet --force --detach {shlex.quote(commit)}"
        done = host.run(checkout, timeout=work.limit(Phase.TREE))
        if done.exit_code:
            raise CommandFailed(f"{path}: {done.words}", brief="A tree could not be checked out on the node")
