"""Counts what is asked of the clouds' APIs, in memory, until somebody writes it down."""

from collections import Counter
from threading import Lock
from typing import NamedTuple


class Call(NamedTuple):
    """One kind of request."""

    #: the provider's name in the configuration
    provider: str
    #: the method of the port that made it: list, create ..
    call: str
    #: the HTTP request without ids: `GET servers/detail`
    request: str


class Calls:
    """Counts of requests; threads may share one."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[Call] = Counter()

    def add(self, call: Call, number: int = 1) -> None:
        """Count a request."""
        with self._lock:
            self._counts[call] += number

    def take(self) -> dict[Call, int]:
        """Return the counts since the last time, and begin at zero."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        return dict(counts)
