"""Whether a provider may be asked for another node of a label, judged by how its last launches ended.

After a failure another provider is preferred for a while. Each reason has a breaker of its own: after some failures in
a row for one reason nothing is asked for at all, each time for longer (open); then one launch is tried alone (half
open), and if it becomes ready all is well. A launch that came farther than an older failure disproves that one: what
ends without SSH shows that the API answers. An API that does not answer and a network that gives no address are held
against every label of the provider, anything else against the label alone. A full quota is no failure: it means wait.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from xenci.model.node import LaunchFailure

#: failures in a row for one reason after which nothing is asked for; twice as many if the reasons differ
LIMIT = 3
#: how long another provider is preferred after a failure, and the first pause after LIMIT of them; it doubles
PAUSE = timedelta(minutes=5)
#: the longest pause; of what passes by itself (a full cloud, an API that is down) it is PAUSE
LONGEST = timedelta(hours=1)
#: the first pause after a mistake in the configuration: it does not heal by itself, and asking costs one call
CONFIG_PAUSE = timedelta(minutes=1)
#: pause after the cloud told that its quota is full
QUOTA_PAUSE = timedelta(minutes=1)
#: reasons that are held against every label of a provider
WIDE = frozenset({LaunchFailure.API, LaunchFailure.NETWORK})

#: how far a launch came that ended so; what came farther disproves what came less far
_STAGES = {
    LaunchFailure.API: 0,
    LaunchFailure.CONFIG: 1,
    LaunchFailure.QUOTA: 1,
    LaunchFailure.CAPACITY: 2,
    LaunchFailure.NETWORK: 2,
    LaunchFailure.BOOT: 2,
    LaunchFailure.SSH: 3,
    LaunchFailure.XEN: 4,
}
_PASS_BY_THEMSELVES = frozenset({LaunchFailure.API, LaunchFailure.CAPACITY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a launch ended: it failed, or the node became ready."""

    provider: str
    label: str
    at: datetime
    #: None: it became ready
    failure: LaunchFailure | None
    reason: str = ""


class BreakerState(StrEnum):
    """What a breaker lets through."""

    #: everything
    CLOSED = "closed"
    #: one launch at a time, as a trial
    HALF_OPEN = "half-open"
    #: nothing
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """The failures in a row for one reason, and what follows from them."""

    reason: LaunchFailure
    failures: int
    last: Ending
    #: nothing is asked for until then; None while the failures are too few for it
    open_until: datetime | None

    @property
    def is_tripped(self) -> bool:
        """Whether it is a matter for an alarm and a trial. A full quota never is."""
        return self.open_until is not None and self.reason is not LaunchFailure.QUOTA

    def state(self, at: datetime) -> BreakerState:
        if self.open_until is not None and at < self.open_until:
            return BreakerState.OPEN
        return BreakerState.HALF_OPEN if self.is_tripped else BreakerState.CLOSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a provider stands with a label."""

    #: failures in a row, for whatever reasons
    failures: int = 0
    #: the last of them
    last: Ending | None = None
    #: one for each reason that was met since it last went well
    breakers: tuple[Breaker, ...] = ()
    #: another provider is preferred until then
    avoided_until: datetime | None = None

    @property
    def closed_until(self) -> datetime | None:
        """Until when nothing may be asked for."""
        return max((b.open_until for b in self.breakers if b.open_until), default=None)

    @property
    def is_broken(self) -> bool:
        """Whether the failures in a row are too many, or of a kind that does not pass; a matter for an alarm."""
        return any(breaker.is_tripped for breaker in self.breakers)

    @property
    def is_broken_widely(self) -> bool:
        """Whether what is broken concerns all labels of the provider."""
        return any(breaker.is_tripped and breaker.reason in WIDE for breaker in self.breakers)

    def is_closed(self, at: datetime) -> bool:
        return self.closed_until is not None and at < self.closed_until

    def is_avoided(self, at: datetime) -> bool:
        return self.avoided_until is not None and at < self.avoided_until


def standing(endings: Iterable[Ending], provider: str, label: str) -> Standing:
    """Judge a provider by the endings of its launches, in any order."""
    rows: dict[LaunchFailure, list[Ending]] = {}
    failures: list[Ending] = []
    #: the farthest that a launch of this label, and of any, came after the one that is looked at
    stage = any_stage = -1
    mine = sorted((e for e in endings if e.provider == provider), key=lambda ending: ending.at, reverse=True)
    for ending in mine:
        failure = ending.failure
        if failure is None and ending.label == label:
            break
        reached = len(_STAGES) if failure is None else _STAGES[failure]
        if failure is not None and (failure in WIDE or failure is LaunchFailure.QUOTA or ending.label == label):
            is_disproved = _STAGES[failure] < (any_stage if failure in WIDE else stage)
            if not is_disproved:
                rows.setdefault(failure, []).append(ending)
            if failure is not LaunchFailure.QUOTA and not (is_disproved and failure in WIDE):
                failures.append(ending)
        any_stage = max(any_stage, reached)
        stage = max(stage, reached) if ending.label == label else stage
    last = failures[0] if failures else None
    return Standing(
        failures=len(failures),
        last=last,
        breakers=tuple(_breaker(reason, row, failures) for reason, row in sorted(rows.items())),
        avoided_until=last.at + PAUSE if last else None,
    )


def failures_in_a_row(endings: Iterable[Ending], label: str) -> list[Ending]:
    """Return the failed launches of a label on whatever provider since one became ready, the newest first."""
    found: list[Ending] = []
    for ending in sorted((e for e in endings if e.label == label), key=lambda ending: ending.at, reverse=True):
        if ending.failure is None:
            break
        if ending.failure is not LaunchFailure.QUOTA:
            found.append(ending)
    return found


def _breaker(reason: LaunchFailure, row: list[Ending], failures: list[Ending]) -> Breaker:
    """Return the breaker of one reason. `row` are its failures, `failures` those for all reasons, the newest first."""
    return Breaker(reason=reason, failures=len(row), last=row[0], open_until=_open_until(reason, row, failures))


def _open_until(reason: LaunchFailure, row: list[Ending], failures: list[Ending]) -> datetime | None:
    if reason is LaunchFailure.QUOTA:
        return row[0].at + QUOTA_PAUSE
    if reason is LaunchFailure.CONFIG:
        return row[0].at + _doubled(CONFIG_PAUSE, len(row) - 1, PAUSE)
    # what fails each time for another reason is broken as well: the last reason's breaker stands for all
    beyond = max(len(row) - LIMIT, len(failures) - 2 * LIMIT if failures[0] is row[0] else -1)
    if beyond < 0:
        return None
    return row[0].at + _doubled(PAUSE, beyond, PAUSE if reason in _PASS_BY_THEMSELVES else LONGEST)


def _doubled(pause: timedelta, times: int, longest: timedelta) -> timedelta:
    factor: int = 1 << min(times, 10)
    return min(pause * factor, longest)
