"""Does the small calls that follow from a cloud's list (deletions, marks, addresses), few at a time.

A survey is made alone, so what it waits for keeps its cloud unseen. What is left over is seen and done next time. What
was tried of late waits, and who was tried last comes last: calls that hang keep no other from its turn for ever.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

from xenci.clock import Clock
from xenci.rules.nodes import ASK_AGAIN

#: most calls of one turn, and when no further one is begun
MOST = 10
LONGEST = timedelta(seconds=5)
#: tries that are older say nothing any more
_REMEMBERED = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One call to a cloud; it handles its own errors."""

    #: what it is about, the same at each look: provider, deed, the cloud's id
    key: tuple[str, ...]
    run: Callable[[], None]


class Tries:
    """When each errand was last tried by this process; threads may share one. A new process may try a little sooner."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._at: dict[tuple[str, ...], datetime] = {}

    def due(self, errands: Iterable[Errand], at: datetime) -> list[Errand]:
        """Return those that were not tried of late: first what never was, in the order given."""
        with self._lock:
            self._at = {key: tried for key, tried in self._at.items() if abs(at - tried) < _REMEMBERED}
            tried = dict(self._at)
        new = [one for one in errands if one.key not in tried]
        old = [one for one in errands if one.key in tried and abs(at - tried[one.key]) >= ASK_AGAIN]
        return new + sorted(old, key=lambda one: tried[one.key])

    def note(self, key: tuple[str, ...], at: datetime) -> None:
        """Remember a try that has ended now."""
        with self._lock:
            self._at[key] = at


def run_errands(errands: list[Errand], *, tries: Tries, clock: Clock, most: int = MOST) -> None:
    """Do what is due, one after the other, within the bounds of number and time."""
    began = clock()
    for errand in tries.due(errands, began)[:most]:
        if abs(clock() - began) >= LONGEST:
            return
        try:
            errand.run()
        finally:
            tries.note(errand.key, clock())
