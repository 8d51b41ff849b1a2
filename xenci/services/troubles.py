"""Which steps fail, and how long each waits before it is tried again.

A step that fails is nudged anew every few seconds, as its row has not moved. What fails for long is tried less often,
so that a change whose repository is gone costs Gerrit a question a minute and not one every three seconds.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

#: the first pause, doubled from failure to failure, and the longest: what passes by itself is tried more often; seconds
FIRST, LONGEST_TEMPORARY, LONGEST_PERMANENT = 3.0, 15.0, 60.0


@dataclass(slots=True)
class _Trouble:
    failures: int
    until: float


class Troubles:
    """The failing steps of this process, by step and row. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[tuple[str, int], _Trouble] = {}

    def may_run(self, step: str, row: int) -> bool:
        """Tell whether a step's pause is over, if it has one."""
        with self._lock:
            trouble = self._known.get((step, row))
            return trouble is None or self._clock() >= trouble.until

    def failed(self, step: str, row: int, *, is_temporary: bool) -> int:
        """Note a failure, the how manieth in a row is returned; the pause grows.

        The first one has none: many a fault is gone at the next turn.
        """
        longest = LONGEST_TEMPORARY if is_temporary else LONGEST_PERMANENT
        with self._lock:
            known = self._known.get((step, row))
            failures = known.failures + 1 if known else 1
            pause = 0.0 if failures == 1 else min(longest, FIRST * 2.0 ** min(failures - 1, 10))
            self._known[step, row] = _Trouble(failures, self._clock() + pause)
            return failures

    def mended(self, step: str, row: int) -> bool:
        """Note a success; tell whether the step failed before and now fails for no row."""
        with self._lock:
            if self._known.pop((step, row), None) is None:
                return False
            return not any(other == step for other, _ in self._known)
