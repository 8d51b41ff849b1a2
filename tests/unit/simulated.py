"""Lines of a stream, and what becomes of them in a simulated world."""

import json
from datetime import timedelta
from typing import Any

from xenci.simulate.engine import Outcome, simulate
from xenci.simulate.installation import Installation, Scenario, assumed
from xenci.simulate.lengths import Length
from xenci.simulate.stream import read
from xenci.simulate.traffic import BEGINS

BOOT, RUN = Length(mean=timedelta(minutes=10)), Length(mean=timedelta(minutes=60))


def event(minute: float, kind: str = "patchset-created", *, change: int = 1, patchset: int = 1, **more: Any) -> bytes:
    """A line of the stream, so many minutes after the begin."""
    at = int((BEGINS + timedelta(minutes=minute)).timestamp())
    raw = {
        "type": kind,
        "change": {
            "project": "openstack/nova",
            "branch": "master",
            "id": f"I{change}",
            "number": change,
            "status": more.pop("status", "NEW"),
        },
        "patchSet": {
            "number": patchset,
            "revision": f"{change:020x}{patchset:020x}",
            "ref": f"refs/changes/{change % 100:02d}/{change}/{patchset}",
            "createdOn": at,
            "kind": more.pop("of_kind", "REWORK"),
            "files": [{"file": name} for name in more.pop("files", ["nova/compute/api.py"])],
        },
        "eventCreatedOn": at,
        **more,
    }
    return json.dumps(raw).encode()


def comment(minute: float, text: str, by: str = "dana", **more: Any) -> bytes:
    return event(minute, "comment-added", comment=f"Patch Set 1:\n\n{text}", author={"username": by}, **more)


def world(*lines: bytes, there: Installation | None = None, **scenario: Any) -> Outcome:
    """What becomes of some lines, with launches of 10 and builds of 60 minutes that never fail."""
    plan: dict[str, Any] = {"nodes": 4, "boot": BOOT, "run": RUN, "failures": 0.0} | scenario
    return simulate(read(lines).events, there or assumed(min_ready=1), Scenario(**plan))


def endings(outcome: Outcome) -> list[str]:
    return [str(one.ending) for one in outcome.buildsets]
