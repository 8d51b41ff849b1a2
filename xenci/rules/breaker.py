"""Whether a provider may be asked for another node of a label, judged by how its last launches ended.

After a failure another provider is preferred for a while; after some in a row nothing is asked for at all, each time
for longer; then one launch is tried, and if it becomes ready all is well. What is wrong with an image is held against
the label alone, an API that does not answer against every label of the provider. A full quota is no failure: it means
wait.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from xenci.model.node import LaunchFailure

#: failures in a row after which nothing is asked for
LIMIT = 3
#: how long another provider is preferred after a failure, and the first pause after LIMIT of them; it doubles
PAUSE = timedelta(minutes=5)
#: the longest pause; of what passes by itself (a full cloud, an API that is down) it is PAUSE
LONGEST = timedelta(hours=1)
#: the first pause after a mistake in the configuration: it does not heal by itself, and asking costs one call
CONFIG_PAUSE = timedelta(minutes=1)
#: pause after the cloud told that its quota is full
QUOTA_PAUSE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a launch ended: it failed, or the node became ready."""

    provider: str
    label: str
    at: datetime
    #: None: it became ready
    failure: LaunchFailure | None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a provider stands with a label."""

    #: failures in a row
    failures: int = 0
    #: the last of them
    last: Ending | None = None
    #: nothing may be asked for until then
    closed_until: datetime | None = None
    #: another provider is preferred until then
    avoided_until: datetime | None = None

    @property
    def is_broken(self) -> bool:
        """Whether the failures in a row are too many, or of a kind that does not pass; a matter for an alarm."""
        return self.failures >= LIMIT or (self.last is not None and self.last.failure is LaunchFailure.CONFIG)

    def is_closed(self, at: datetime) -> bool:
        return self.closed_until is not None and at < self.closed_until

    def is_avoided(self, at: datetime) -> bool:
        return self.avoided_until is not None and at < self.avoided_until


def standing(endings: Iterable[Ending], provider: str, label: str) -> Standing:
    """Judge a provider by the endings of its launches, in any order."""
    mine = sorted((e for e in endings if e.provider == provider), key=lambda ending: ending.at, reverse=True)
    failures: list[Ending] = []
    quota: Ending | None = None
    api_works = False
    for ending in mine:
        if ending.failure is None and ending.label == label:
            break
        if ending.failure is None:
            api_works = True
        elif ending.failure is LaunchFailure.QUOTA:
            quota = quota or ending
        elif ending.failure is LaunchFailure.API:
            failures += [] if api_works else [ending]
        elif ending.label == label:
            failures.append(ending)
    last = failures[0] if failures else None
    closed = max((at for at in (_closed_by(failures), quota and quota.at + QUOTA_PAUSE) if at), default=None)
    avoided = last.at + PAUSE if last else None
    return Standing(failures=len(failures), last=last, closed_until=closed, avoided_until=avoided)


def failures_in_a_row(endings: Iterable[Ending], label: str) -> list[Ending]:
    """Return the failed launches of a label on whatever provider since one became ready, the newest first."""
    found: list[Ending] = []
    for ending in sorted((e for e in endings if e.label == label), key=lambda ending: ending.at, reverse=True):
        if ending.failure is None:
            break
        if ending.failure is not LaunchFailure.QUOTA:
            found.append(ending)
    return found


def _closed_by(failures: list[Ending]) -> datetime | None:
    """Return until when failures in a row, the newest first, close a provider."""
    if not failures:
        return None
    if failures[0].failure is LaunchFailure.CONFIG:
        row = next((i for i, e in enumerate(failures) if e.failure is not LaunchFailure.CONFIG), len(failures))
        return failures[0].at + _doubled(CONFIG_PAUSE, row - 1, PAUSE)
    if len(failures) < LIMIT:
        return None
    passes_by_itself = failures[0].failure in (LaunchFailure.API, LaunchFailure.CAPACITY)
    return failures[0].at + _doubled(PAUSE, len(failures) - LIMIT, PAUSE if passes_by_itself else LONGEST)


def _doubled(pause: timedelta, times: int, longest: timedelta) -> timedelta:
    factor: int = 1 << min(times, 10)
    return min(pause * factor, longest)
