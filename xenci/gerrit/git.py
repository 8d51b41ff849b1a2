"""Runs git on what strangers wrote: no prompt, hook, submodule or user's configuration, and never without a limit."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from xenci.gerrit.failures import GitFailed, OldGit

#: `git merge-tree --write-tree` came with it
OLDEST = (2, 38)
_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    # a link in a stranger's tree is written as a plain file, so that nothing is ever written through it
    "core.symlinks": "false",
    "protocol.ext.allow": "never",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "commit.gpgSign": "false",
    "advice.detachedHead": "false",
    "init.defaultBranch": "none",
    # a server that sends less than 1 KB/s for a minute is gone
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "60",
    # ours: one fixed writer, so that the same tree is the same commit
    "user.name": "xenci",
    "user.email": "xenci@localhost",
    "user.useConfigOnly": "true",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What a git command said."""

    exit_code: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        """Standard output without the line end."""
        return self.stdout.decode(errors="replace").strip()

    @property
    def names(self) -> tuple[str, ...]:
        """Standard output of a `-z` command, as strings."""
        return tuple(part.decode(errors="replace") for part in self.stdout.split(b"\0") if part)

    @property
    def last_words(self) -> str:
        """The end of standard error, on one line."""
        return " / ".join(line for line in self.stderr.strip().splitlines()[-3:] if line.strip())


class GitTimeout(GitFailed):
    """A git command took too long and was ended."""


def git(
    *arguments: str,
    at: Path,
    limit: timedelta,
    env: Mapping[str, str] | None = None,
    settings: Mapping[str, str] | None = None,
    given: bytes = b"",
    ok: tuple[int, ...] = (0,),
) -> Output:
    """Run a git command in a folder; `settings` are added to ours.

    Raises GitFailed if its exit code is not one of `ok`, GitTimeout when it (and what it started) had to be ended.
    """
    command = ["git", *arguments]
    name = next((word for word in arguments if not word.startswith("-")), "")
    process = subprocess.Popen(
        command,
        cwd=at,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment({**_SETTINGS, **(settings or {})}) | dict(env or {}),
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(given, timeout=limit.total_seconds())
    except BaseException as error:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise GitTimeout(f"git {name} in {at}, after {limit.total_seconds():.0f} s") from error
        raise
    output = Output(exit_code=process.returncode, stdout=stdout, stderr=stderr.decode(errors="replace"))
    if output.exit_code not in ok:
        raise GitFailed(f"git {name} in {at}: {output.last_words or f'exit code {output.exit_code}'}")
    return output


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return git's environment: ours without anything of git's, these settings, and no other configuration."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "SSH_ASKPASS"))}
    given = {"GIT_CONFIG_COUNT": str(len(settings))}
    for i, (key, value) in enumerate(settings.items()):
        given |= {f"GIT_CONFIG_KEY_{i}": key, f"GIT_CONFIG_VALUE_{i}": value}
    quiet = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    return {**kept, **given, **quiet, "GIT_ASKPASS": "/bin/false", "LC_ALL": "C"}


def check_git() -> str:
    """Return git's version. Raises OldGit if it is missing or cannot do what trees.py needs."""
    remedy = f"Install git {OLDEST[0]}.{OLDEST[1]} or later"
    try:
        said = git("version", at=Path("/"), limit=timedelta(seconds=10)).text
    except FileNotFoundError as error:
        raise OldGit("it is not installed", remedy=remedy) from error
    version = said.split()[2]
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        raise OldGit(said, remedy=remedy)
    return version
