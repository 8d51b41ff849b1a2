"""Run git for the lab: no prompt, no user's configuration, one person's SSH key, the pinned host key."""

import os
import shlex
import subprocess
from pathlib import Path

from xenci.errors import Permanent


class GitFailed(Permanent):
    """A git command of the lab failed."""


def git(*arguments: str, at: Path, env: dict[str, str] | None = None, given: bytes | None = None) -> str:
    """Return what git prints on its standard output; raise GitFailed with its last words."""
    done = subprocess.run(
        ["git", "-C", str(at), *arguments],
        input=given if given is not None else b"",
        capture_output=True,
        check=False,
        env={**_plain(), **(env or {})},
    )
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip().splitlines()[-6:]
        raise GitFailed(f"git {' '.join(arguments[:2])} in {at}: {' / '.join(words)}")
    return done.stdout.decode(errors="replace")


def identity(name: str, mail: str) -> dict[str, str]:
    """Return the environment that makes a person the author and committer."""
    return {
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": mail,
        "GIT_COMMITTER_NAME": name,
        "GIT_COMMITTER_EMAIL": mail,
    }


def over_ssh(key: Path, known_hosts: Path) -> dict[str, str]:
    """Return the environment that lets git speak SSH with this key, to hosts of this file only."""
    command = ["ssh", "-F", "/dev/null", "-i", str(key), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]
    command += ["-o", f"UserKnownHostsFile={known_hosts}", "-o", "StrictHostKeyChecking=yes"]
    command += ["-o", "ConnectTimeout=30", "-o", "LogLevel=ERROR"]
    return {"GIT_SSH_COMMAND": shlex.join(command)}


def _plain() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**kept, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "GIT_TERMINAL_PROMPT": "0"}
