"""One at a time: two programs that prepare the same part of the cache or of a lab wait for each other, and say so.

The kernel drops the lock when its holder ends, however it ends: there is no stale lock to clean up.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xenci.lab.progress import say


@contextmanager
def held(file: Path, what: str) -> Iterator[None]:
    """Hold the lock `file` (made if missing); if another program has it, say who prepares `what` and wait."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 20, 0).decode(errors="replace").strip() or "unknown"
            say(f"waiting: another program (pid {holder}) is at work on {what}; lock {file}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)


def holder(file: Path) -> int | None:
    """Return the pid of the program that holds the lock `file` now, or None if nobody does."""
    try:
        handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(os.pread(handle, 20, 0) or 0) or None
    else:
        return None
    finally:
        os.close(handle)
