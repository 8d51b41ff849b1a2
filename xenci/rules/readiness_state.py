"""Makes the state of a criterion from a count: what speaks against it first, then too little data, then green."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from xenci.rules.criteria import CRITERIA
from xenci.rules.readiness_facts import BuildsetFact, CriterionState, Link, Status

#: what is measured of Group B
WINDOW = timedelta(days=14)
#: builds, reports or patch sets that make a statement; and rechecks, which are rarer
ENOUGH, ENOUGH_RECHECKS = 50, 10
#: a report may wait so long in the outbox, and a recheck so long for its run, before they count as missing
GRACE = timedelta(minutes=30)
#: most ids in one link
_LINKED = 500


def state(
    id: str,
    status: Status,
    value: str,
    why: str = "",
    *,
    have: int | None = None,
    need: int | None = None,
    links: Iterable[Link] = (),
) -> CriterionState:
    """Return a criterion's state, with its words from the table."""
    row = CRITERIA[id]
    return CriterionState(
        id=id,
        title=row.title,
        threshold=row.threshold,
        source=row.source,
        status=status,
        value=value,
        why=why,
        have=have,
        need=need,
        links=tuple(link for link in links if link.ids),
    )


def cannot(id: str) -> CriterionState:
    """Return the state of a criterion that no facts are kept for."""
    row = CRITERIA[id]
    return state(id, Status.CANNOT, "", f"{row.why_not} It takes: {row.needs[0].lower()}{row.needs[1:]}")


def counted(
    id: str,
    *,
    good: int,
    bad: Sequence[int],
    kind: str,
    noun: str,
    bad_text: str,
    need: int = ENOUGH,
    why: str = "",
    links: Iterable[Link] = (),
) -> CriterionState:
    """Return the state of a criterion that wants all of something.

    One that is bad is enough for "not met", however few there are; too few good ones are no "met".
    """
    total = good + len(bad)
    value = f"{good} of {total} {noun}" + (f", {percent(good, total)}" if total else "")
    named = [Link(text=f"{len(bad)} {bad_text}", kind=kind, ids=limited(bad)), *links]
    if bad:
        return state(id, Status.NOT_MET, value, why, have=total, need=need, links=named)
    if total < need:
        return too_few(id, total, need, noun, why, named)
    return state(id, Status.MET, value, why, have=total, need=need, links=named)


def too_few(id: str, have: int, need: int, noun: str, why: str = "", links: Iterable[Link] = ()) -> CriterionState:
    """Return the state of a criterion that nothing speaks against, with too little to say that it is met."""
    return state(id, Status.TOO_FEW, f"{have} of {need} {noun}", why, have=have, need=need, links=links)


def percent(part: int, whole: int) -> str:
    """Write a share without rounding up to 100 % or down to 0 %: `98.7 %`."""
    if whole == 0:
        return "no data"
    if part in (0, whole):
        return "0 %" if part == 0 else "100 %"
    return f"{min(99.9, max(0.1, round(100 * part / whole, 1))):.1f} %"


def span(time: timedelta) -> str:
    """Write a length of time for people: `2 h 15 min`, `82 s`, `3 days`."""
    seconds = int(time.total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 172_800:
        return f"{seconds // 3600} h {seconds // 60 % 60} min"
    return f"{seconds // 86_400} days"


def is_recent(at: datetime | None, now: datetime, window: timedelta = WINDOW) -> bool:
    """Say whether something happened within the window."""
    return at is not None and now - window <= at <= now


def limited(ids: Iterable[int]) -> tuple[int, ...]:
    """Return the newest ids for a link."""
    return tuple(sorted(ids, reverse=True)[:_LINKED])


def by_patchset(runs: Iterable[BuildsetFact]) -> dict[int, list[BuildsetFact]]:
    """Group runs by their patch set."""
    found: dict[int, list[BuildsetFact]] = {}
    for run in runs:
        found.setdefault(run.patchset_id, []).append(run)
    return found
