"""Measures of Group B whether every change gets its report, in time, and whether we are alive."""

from collections import Counter
from datetime import datetime, timedelta

from xenci.model.outcome import SILENT, Result
from xenci.rules.readiness_facts import BuildsetFact, CriterionState, Link, PatchsetFact, ReadinessFacts, Status
from xenci.rules.readiness_state import (
    ENOUGH,
    GRACE,
    by_patchset,
    counted,
    is_recent,
    limited,
    percent,
    span,
    state,
    too_few,
)

#: longest time from the upload to the report
IN_TIME = timedelta(hours=4)
#: alarm under this share of patch sets with a report
ALARM_SHARE = 0.95
#: last success, and last report on a working day
ALIVE, FRESH = timedelta(days=14), timedelta(hours=24)


def b1(facts: ReadinessFacts, now: datetime) -> CriterionState:
    """Reports on every proposed change; what is not eligible is counted by reason."""
    runs = by_patchset(facts.buildsets)
    missing: list[int] = []
    left_out: dict[str, list[int]] = {}
    good = waiting = 0
    for patchset in facts.patchsets:
        if not is_recent(patchset.uploaded_at, now):
            continue
        match _fate(patchset, runs.get(patchset.id, []), now):
            case "reported":
                good += 1
            case "waiting":
                waiting += 1
            case "missing":
                missing.append(patchset.id)
            case reason:
                left_out.setdefault(reason, []).append(patchset.id)
    said = {f"{len(ids)} {reason}": ids for reason, ids in sorted(left_out.items())}
    links = [Link(text=text, kind="patchsets", ids=limited(ids)) for text, ids in said.items()]
    why = f"Left out: {', '.join(said)}." if said else ""
    if waiting:
        why = f"{waiting} more still have time. {why}".strip()
    found = counted(
        "B1",
        good=good,
        bad=missing,
        kind="patchsets",
        noun="patch sets",
        bad_text="without a report",
        why=why,
        links=links,
    )
    total = good + len(missing)
    if missing and total >= ENOUGH and good / total >= ALARM_SHARE:
        return state("B1", Status.AT_RISK, found.value, why, have=found.have, need=found.need, links=found.links)
    return found


def b2(facts: ReadinessFacts, now: datetime) -> CriterionState:
    """Results at peak load: each within 4 hours, counted apart in the busiest tenth of the hours."""
    took: dict[int, timedelta] = {}
    hours: Counter[datetime] = Counter()
    for run in facts.buildsets:
        if not is_recent(run.triggered_at, now) or run.was_withdrawn or run.result in SILENT:
            continue
        hours[_hour(run.triggered_at)] += 1
        if (posted := run.posted_at) is not None:
            took[run.id] = posted - run.triggered_at
        elif now - run.triggered_at > IN_TIME and not run.was_dropped:
            took[run.id] = now - run.triggered_at
    late = [id for id, time in took.items() if time > IN_TIME]
    if not took:
        return too_few("B2", 0, ENOUGH, "reports")
    busiest = {hour for hour, _ in hours.most_common(max(1, len(hours) // 10))}
    at_peak = {run.id for run in facts.buildsets if _hour(run.triggered_at) in busiest} & took.keys()
    peak_good = len(at_peak - set(late))
    worst_id, worst = max(took.items(), key=lambda pair: pair[1])
    value = (
        f"worst {span(worst)}; {percent(len(took) - len(late), len(took))} in time, "
        f"{peak_good} of {len(at_peak)} in the busiest hours"
    )
    links = [
        Link(text=f"{len(late)} late", kind="buildsets", ids=limited(late)),
        Link(text="the slowest", kind="buildsets", ids=(worst_id,)),
    ]
    if late:
        return state("B2", Status.NOT_MET, value, have=len(took), need=ENOUGH, links=links)
    if len(took) < ENOUGH:
        return too_few("B2", len(took), ENOUGH, "reports", f"So far: {value}.", links)
    status = Status.AT_RISK if worst > IN_TIME * 3 / 4 else Status.MET
    return state("B2", status, value, have=len(took), need=ENOUGH, links=links)


def b13(facts: ReadinessFacts, now: datetime) -> CriterionState:
    """The last success within 14 days, the last report within a working day if there was something to report."""
    success, report = facts.last_success_at, facts.last_report_at
    value = f"last success {_ago(success, now)}; last report {_ago(report, now)}"
    if success is None:
        first = min((run.created_at for run in facts.buildsets), default=now)
        if now - first <= ALIVE:
            return too_few("B13", 0, 1, "successes", "No build has succeeded yet.")
        return state("B13", Status.NOT_MET, value, "No build has ever succeeded.", have=0, need=1)
    if now - success > ALIVE:
        return state("B13", Status.NOT_MET, value, have=1, need=1)
    since = report or datetime.min.replace(tzinfo=now.tzinfo)
    waits = [run.id for run in facts.buildsets if run.triggered_at > since and not run.says_nothing]
    if waits and _working_time(min(r.triggered_at for r in facts.buildsets if r.id in waits), now) > FRESH:
        link = Link(text=f"{len(waits)} waiting", kind="buildsets", ids=limited(waits))
        return state("B13", Status.AT_RISK, value, "Runs wait for a report for over a working day.", links=[link])
    return state("B13", Status.MET, value, have=1, need=1)


def _fate(patchset: PatchsetFact, runs: list[BuildsetFact], now: datetime) -> str:
    """Return reported, waiting, missing, or in words why the patch set is not eligible."""
    if any(run.posted_at for run in runs):
        return "reported"
    if not runs and patchset.not_run is not None:
        return "wanted by no pipeline"
    if patchset.is_superseded and all(run.was_withdrawn or run.was_dropped for run in runs):
        return "superseded before a report"
    told_nothing = [run for run in runs if run.result in SILENT and run.result is not Result.ABORTED]
    if runs and len(told_nothing) == len(runs):
        return str(told_nothing[-1].result)
    if runs and all(run.was_dropped for run in runs):
        return "in a pipeline that only stores"
    began = max([patchset.uploaded_at, *(run.triggered_at for run in runs)])
    is_done = bool(runs) and all(run.finished_at and now - run.finished_at > GRACE for run in runs)
    return "missing" if is_done or now - began > IN_TIME else "waiting"


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _ago(at: datetime | None, now: datetime) -> str:
    return "never" if at is None else f"{span(now - at)} ago"


def _working_time(start: datetime, end: datetime) -> timedelta:
    """Time between two moments without Saturdays and Sundays."""
    total, at = timedelta(), start
    while at < end:
        midnight = (at + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        upto = min(midnight, end)
        if at.weekday() < 5:
            total += upto - at
        at = upto
    return total
