"""Push a commit onto a node: git speaks to the node's `git-receive-pack` through the connection that is open already.

So there is no second SSH handshake, no known_hosts file and no ssh program: git is told that its ssh is pipe.py.
"""

import os
import shlex
import sys
from datetime import timedelta
from pathlib import Path

from xenci.host import pipe
from xenci.host.local import run_local
from xenci.host.port import CommandFailed, Host, HostSlow


def push_tree(host: Host, repository: Path, commit: str, *, remote_path: str, ref: str, timeout: timedelta) -> None:
    """Push `commit` of the local `repository` to `ref` at `remote_path` on the node, by force.

    Raises HostSlow after `timeout`, CommandFailed with git's words, HostLost.
    """
    with host.pipe(f"git receive-pack {shlex.quote(remote_path)}") as bridge:
        ssh = [sys.executable, "-I", str(Path(pipe.__file__).resolve()), str(bridge.path)]
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            "GIT_SSH_COMMAND": shlex.join(ssh),
            "GIT_SSH_VARIANT": "simple",
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C.UTF-8",
        }
        address = f"ssh://node{remote_path}"
        ended = run_local(
            ["git", "-C", str(repository), "push", "--quiet", "--force", "--no-verify", address, f"{commit}:{ref}"],
            timeout=timeout,
            env=env,
        )
        if ended.exit_code is None:
            raise HostSlow(f"{host.address}: the tree was not pushed in {timeout.total_seconds():g} s")
    if ended.exit_code:
        raise CommandFailed(
            f"{host.address}: {ended.words} {bridge.complaint}".strip(), brief="The tree could not be pushed"
        )
