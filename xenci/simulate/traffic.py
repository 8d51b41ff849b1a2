"""Makes synthetic traffic of openstack/nova: Gerrit's stream-events as JSON lines, the same for the same seed.

The rates are assumptions, not measurements. They are stated in the first line of the stream and wherever its figures
are shown; a recorded stream can be given instead.
"""

import json
import math
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from xenci.simulate.stream import ASSUMPTIONS

#: a Monday
BEGINS = datetime(2026, 3, 2, tzinfo=UTC)
#: how busy each hour of a day of UTC is: Europe, then America
_HOURS = (2, 1, 1, 1, 1, 2, 3, 5, 8, 10, 10, 9, 9, 10, 11, 11, 10, 9, 7, 6, 5, 4, 3, 2)
_FILES = {
    "code": ("nova/virt/libvirt/driver.py", "nova/tests/unit/virt/libvirt/test_driver.py"),
    "docs": ("doc/source/admin/index.rst", "releasenotes/notes/one.yaml"),
    "tests": ("nova/tests/functional/test_servers.py",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """The rates of a busy week of Nova."""

    seed: int = 1
    days: int = 7
    #: pushes on a weekday, each of a series of changes
    pushes_per_weekday: float = 30.0
    #: of a Saturday or Sunday, as a share of a weekday's
    weekend: float = 0.15
    #: changes in a series: geometric with this mean, at most `longest_series`
    mean_series: float = 1.8
    longest_series: int = 25
    #: pushes of new changes; the others are new patch sets of a series that is there
    share_new: float = 0.35
    #: of the changes, by what they touch; the rest is code
    share_docs: float = 0.12
    share_tests: float = 0.10
    share_stable: float = 0.15
    share_wip: float = 0.08
    #: kinds of new patch sets; the rest is REWORK
    share_rebases: float = 0.20
    share_no_code_change: float = 0.08
    #: rechecks for each patch set, and hours until one comes: exponential with this mean
    rechecks_per_patchset: float = 0.25
    mean_recheck_hours: float = 5.0
    #: changes merged or abandoned on a weekday
    closed_per_weekday: float = 8.0
    #: minutes until another CI comments, which never triggers
    other_ci_minutes: float = 70.0


@dataclass(slots=True, kw_only=True)
class _Change:
    number: int
    files: tuple[str, ...]
    branch: str
    wip: bool
    owner: str
    patchset: int = 0
    status: str = "NEW"


def generate(assumed: Assumptions) -> Iterator[bytes]:
    """Return the lines of a stream, its assumptions first, then events in the order of their time."""
    note = "synthetic traffic: every rate is an assumption, none was measured"
    yield _line({"type": ASSUMPTIONS, "note": note, "begins": BEGINS.isoformat(), **asdict(assumed)})
    closed: dict[int, str] = {}
    for _, _, event in sorted(_Week(assumed).events(), key=lambda one: one[:2]):
        change = event["change"]
        # what was said of a change after it was closed tells that it is
        change["status"] = closed.setdefault(change["number"], change["status"])
        if change["status"] == "NEW":
            del closed[change["number"]]
        yield _line(event)


class _Week:
    """Grows changes as pushes come."""

    def __init__(self, assumed: Assumptions) -> None:
        self._assumed = assumed
        self._chance = random.Random(f"traffic/{assumed.seed}")
        self._series: list[list[_Change]] = []
        self._number = 900_000
        self._events: list[tuple[datetime, int, dict[str, Any]]] = []

    def events(self) -> list[tuple[datetime, int, dict[str, Any]]]:
        """Return every event with its time and a number that tells those of one second apart."""
        for at, what in sorted(self._moments()):
            if what == "push":
                self._push(at)
            else:
                self._close(at)
        return self._events

    def _moments(self) -> Iterator[tuple[datetime, str]]:
        """Return when pushes and closings come: a Poisson process with the hours' weights."""
        for day in range(self._assumed.days):
            begins = BEGINS + timedelta(days=day)
            much = self._assumed.weekend if begins.weekday() >= 5 else 1.0
            for hour, weight in enumerate(_HOURS):
                share = much * weight / sum(_HOURS)
                for what, rate in (
                    ("push", self._assumed.pushes_per_weekday),
                    ("close", self._assumed.closed_per_weekday),
                ):
                    for _ in range(self._poisson(rate * share)):
                        yield begins + timedelta(hours=hour, seconds=self._chance.randrange(3600)), what

    def _push(self, at: datetime) -> None:
        if not self._series or self._chance.random() < self._assumed.share_new:
            self._series.append(self._new_series())
            series = self._series[-1]
        else:
            series = self._chance.choice(self._series)
        # of a series that is there mostly its upper part is uploaded anew
        upper = series[self._chance.randrange(len(series)) :] if series[0].patchset else series
        for i, change in enumerate(one for one in upper if one.status == "NEW"):
            self._upload(change, at + timedelta(seconds=i))

    def _upload(self, change: _Change, at: datetime) -> None:
        change.patchset += 1
        self._add(at, "patchset-created", change, uploader={"username": change.owner}, kind=self._kind(change))
        ci_at = at + timedelta(minutes=self._chance.expovariate(1 / self._assumed.other_ci_minutes))
        words = f"Patch Set {change.patchset}: Verified+1\n\nBuild succeeded (check pipeline)."
        self._add(ci_at, "comment-added", change, author={"username": "zuul", "name": "Zuul"}, comment=words)
        for _ in range(self._poisson(self._assumed.rechecks_per_patchset)):
            later = at + timedelta(hours=self._chance.expovariate(1 / self._assumed.mean_recheck_hours))
            words = f"Patch Set {change.patchset}:\n\nrecheck unrelated failure"
            self._add(later, "comment-added", change, author={"username": change.owner}, comment=words)

    def _close(self, at: datetime) -> None:
        there = [one for series in self._series for one in series if one.status == "NEW" and one.patchset]
        if there:
            change = self._chance.choice(there)
            change.status = self._chance.choice(["MERGED", "MERGED", "ABANDONED"])
            self._add(at, f"change-{change.status.lower()}", change, submitter={"username": "core"})

    def _new_series(self) -> list[_Change]:
        one = self._assumed
        # the number of tries until the first success, whose mean is 1/p
        tries = 1 + int(math.log(1 - self._chance.random()) / math.log(1 - 1 / one.mean_series))
        owner = f"author-{self._chance.randrange(40)}"
        branch = "stable/2025.1" if self._chance.random() < one.share_stable else "master"
        return [self._new_change(owner, branch) for _ in range(min(tries, one.longest_series))]

    def _new_change(self, owner: str, branch: str) -> _Change:
        self._number += 1
        drawn = self._chance.random()
        docs, tests = self._assumed.share_docs, self._assumed.share_tests
        kind = "docs" if drawn < docs else "tests" if drawn < docs + tests else "code"
        is_wip = self._chance.random() < self._assumed.share_wip
        return _Change(number=self._number, files=_FILES[kind], branch=branch, wip=is_wip, owner=owner)

    def _kind(self, change: _Change) -> str:
        drawn = self._chance.random()
        if change.patchset == 1 or drawn >= self._assumed.share_rebases + self._assumed.share_no_code_change:
            return "REWORK"
        return "TRIVIAL_REBASE" if drawn < self._assumed.share_rebases else "NO_CODE_CHANGE"

    def _poisson(self, mean: float) -> int:
        limit, product, count = math.exp(-mean), self._chance.random(), 0
        while product > limit:
            product *= self._chance.random()
            count += 1
        return count

    def _add(self, at: datetime, kind_of_event: str, change: _Change, kind: str = "REWORK", **more: object) -> None:
        number, patchset = change.number, change.patchset
        event: dict[str, Any] = {
            "type": kind_of_event,
            "change": {
                "project": "openstack/nova",
                "branch": change.branch,
                "id": f"I{number:040x}",
                "number": number,
                "subject": f"Change {number}",
                "owner": {"username": change.owner},
                "status": change.status,
                "wip": change.wip,
            },
            "patchSet": {
                "number": patchset,
                "revision": f"{number:032x}{patchset:08x}",
                "ref": f"refs/changes/{number % 100:02d}/{number}/{patchset}",
                "createdOn": int(at.timestamp()),
                "kind": kind,
                "files": [{"file": name} for name in change.files],
            },
            "eventCreatedOn": int(at.timestamp()),
            **more,
        }
        self._events.append((at.replace(microsecond=0), len(self._events), event))


def _line(event: dict[str, Any]) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"
