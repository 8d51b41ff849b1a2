"""Run a program of this machine that may hang, and end it with all its children.

libvirt and git wait for their peer without an end; a program of its own can be ended when a call into a library cannot.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

#: seconds that a killed program's pipes may take to close
_LAST_WORDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a program ended."""

    #: None if it was ended by us as its time was over
    exit_code: int | None
    stdout: bytes
    stderr: bytes

    @property
    def words(self) -> str:
        """The last of what it said."""
        return (self.stderr.strip() or self.stdout.strip())[-2000:].decode(errors="replace")


def run_local(arguments: Sequence[str], *, timeout: timedelta, env: Mapping[str, str]) -> Ended:
    """Run a program in a process group of its own; when `timeout` is over the whole group is killed."""
    process = subprocess.Popen(
        arguments,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(timeout=timeout.total_seconds())
    except subprocess.TimeoutExpired:
        _kill_group(process)
        stdout, stderr = process.communicate(timeout=_LAST_WORDS)
        return Ended(exit_code=None, stdout=stdout, stderr=stderr)
    except BaseException:
        _kill_group(process)
        process.wait(_LAST_WORDS)
        raise
    return Ended(exit_code=process.returncode, stdout=stdout, stderr=stderr)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
