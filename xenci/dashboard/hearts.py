"""Which loops must beat, and from when on their silence is said."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from xenci.store.tables import HeartRow

#: loops without which nothing works, and the age of their last sign of life that is too old
REQUIRED = {"listener": timedelta(minutes=3), "worker": timedelta(minutes=3)}
#: the other loops run at longer intervals and do not end the service by their silence
OTHERS = timedelta(minutes=30)
#: how often the slowest loop runs; see services/tidy.py
TIDY_EVERY = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """What is thought of one loop's last sign of life."""

    name: str
    beat_at: datetime | None
    detail: str
    limit: timedelta
    is_required: bool
    is_fresh: bool


def judge(rows: Sequence[HeartRow], now: datetime) -> list[Beat]:
    """Judge every required loop, newest sign of life first counted (several workers are one heart)."""
    beats = []
    for name, limit in REQUIRED.items():
        mine = [row for row in rows if row.name == name or row.name.startswith((f"{name}:", f"{name}-"))]
        newest = max(mine, key=lambda row: row.beat_at, default=None)
        beats.append(_beat(name, newest, limit, now, is_required=True))
    return beats


def judge_others(rows: Sequence[HeartRow], now: datetime, *, reconcile_every: timedelta) -> list[Beat]:
    """Judge the loops that are not required, by name; one is silent when it has missed a turn."""
    limits = {"tidy": 2 * TIDY_EVERY, "reconcile": max(OTHERS, 2 * reconcile_every)}
    others = [row for row in rows if row.name.split(":")[0].split("-")[0] not in REQUIRED]
    return [
        _beat(row.name, row, limits.get(row.name, OTHERS), now, is_required=False)
        for row in sorted(others, key=lambda row: row.name)
    ]


def _beat(name: str, row: HeartRow | None, limit: timedelta, now: datetime, *, is_required: bool) -> Beat:
    return Beat(
        name=name,
        beat_at=row.beat_at if row else None,
        detail=row.detail if row else "",
        limit=limit,
        is_required=is_required,
        is_fresh=row is not None and now - row.beat_at <= limit,
    )
