"""Measures how far the driver is from Nova's quality groups B and A, criterion by criterion, from plain facts.

Each criterion has a state with the rows it is made of. What no facts are kept for says so, with what it would take: a
row that is left out would look like one that is met.
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from xenci.model.outcome import Result
from xenci.rules import readiness_coverage, readiness_reports
from xenci.rules.criteria import CRITERIA, GROUP_B
from xenci.rules.readiness_facts import CriterionState, Link, ReadinessFacts, Status
from xenci.rules.readiness_state import (
    ENOUGH,
    WINDOW,
    cannot,
    counted,
    is_recent,
    limited,
    percent,
    state,
    too_few,
)

#: A3: the window, the number of failure domains and the least share of builds that one carries
PLACES_WINDOW = timedelta(days=30)
LEAST_DOMAINS, LEAST_SHARE = 2, 0.20
#: results of builds that really ran tests
_TESTED = frozenset({Result.SUCCESS, Result.FAILURE})


def measure(facts: ReadinessFacts, now: datetime) -> list[CriterionState]:
    """Return the state of every criterion of B and A, in their order."""
    found = {id: rule(facts, now) for id, rule in _RULES.items()}
    states = [found.get(id) or cannot(id) for id in CRITERIA if id != "A0"]
    first_a = next(i for i, one in enumerate(states) if one.group == "A")
    return [*states[:first_a], _a0(states), *states[first_a:]]


def count_met(states: list[CriterionState], group: str) -> tuple[int, int]:
    """Return how many criteria of a group are met, and how many it has."""
    of_group = [one for one in states if one.group == group]
    return sum(1 for one in of_group if one.status is Status.MET), len(of_group)


def blockers(states: list[CriterionState], group: str) -> list[CriterionState]:
    """Return what stands between a group and being met: not met first, then at risk, then what is not known."""
    order = [Status.NOT_MET, Status.AT_RISK, Status.TOO_FEW, Status.CANNOT]
    return sorted(
        (one for one in states if one.group == group and one.status in order), key=lambda one: order.index(one.status)
    )


def _b0(facts: ReadinessFacts, now: datetime) -> CriterionState:
    """Whether each tree that ran took virt_type=xen; on today's master only a carried series makes it so."""
    seen = [b for b in facts.builds if b.offers_xen is not None and is_recent(b.finished_at, now)]
    bad = [b.id for b in seen if not b.offers_xen]
    carried = sum(1 for b in seen if b.offers_xen and b.carried)
    why = f"{carried} of them by a carried series: upstream has no Xen driver since 23.0.0. " if carried else ""
    return counted(
        "B0",
        good=len(seen) - len(bad),
        bad=bad,
        kind="builds",
        noun="builds whose own guest was seen on Xen",
        bad_text="without the driver",
        why=f"{why}A build without one is not counted, so a tree without the driver only makes them fewer.",
    )


def _b4(facts: ReadinessFacts, now: datetime) -> CriterionState:
    """Reports of tests whose builds carry evidence of the host and of a guest."""
    tested = {
        run.id
        for run in facts.buildsets
        if run.result in _TESTED and run.report and is_recent(run.report.posted_at, now)
    }
    last: dict[tuple[int, str], tuple[int, frozenset[str], int]] = {}
    for build in facts.builds:
        if build.buildset_id in tested and build.result in _TESTED:
            key = (build.buildset_id, build.job)
            last[key] = max(last.get(key, (0, frozenset[str](), 0)), (build.attempt, build.evidence, build.id))
    proved: dict[int, bool] = dict.fromkeys(tested, False)
    for buildset in tested:
        kinds = [evidence for (owner, _), (_, evidence, _) in last.items() if owner == buildset]
        proved[buildset] = bool(kinds) and all({"host", "guest"} <= one for one in kinds)
    bad = [id for id, is_proved in proved.items() if not is_proved]
    return counted(
        "B4",
        good=len(proved) - len(bad),
        bad=bad,
        kind="buildsets",
        noun="reports",
        bad_text="without evidence",
        why="Evidence is the host's own word through libvirt and xl, and a guest of the run seen on it.",
    )


def _a0(states: list[CriterionState]) -> CriterionState:
    met, total = count_met(states, "B")
    assert total == len(GROUP_B)
    open_ = ", ".join(one.id for one in blockers(states, "B"))
    status = Status.MET if met == total else Status.NOT_MET
    return state("A0", status, f"{met} of {total}", f"Open: {open_}." if open_ else "", have=met, need=total)


def _a2(facts: ReadinessFacts, now: datetime) -> CriterionState:
    return state(
        "A2",
        Status.NOT_MET,
        "no",
        "A third party's account reports and can never gate: the job has to move to OpenDev's Zuul.",
    )


def _a3(facts: ReadinessFacts, now: datetime) -> CriterionState:
    """Builds by failure domain; two clouds that fail together are one place."""
    domains: dict[str, list[str]] = {}
    for provider in facts.providers:
        domains.setdefault(provider.failure_domain, []).append(provider.name)
    link = [Link(text="providers", kind="providers", ids=tuple(p.name for p in facts.providers))]
    if len(domains) < LEAST_DOMAINS:
        return state("A3", Status.NOT_MET, f"{len(domains)} failure domain", _shared(domains, facts.is_lab), links=link)
    where = {p.name: p.failure_domain for p in facts.providers}
    ran = [b for b in facts.builds if b.provider in where and is_recent(b.finished_at, now, PLACES_WINDOW)]
    builds = Counter(where[b.provider] for b in ran)
    least_domain, least = min(((domain, builds[domain]) for domain in domains), key=lambda pair: pair[1])
    value = f"{len(domains)} failure domains; {percent(least, len(ran))} of {len(ran)} builds in {least_domain}"
    links = [*link, Link(text=f"{len(ran)} builds", kind="builds", ids=limited(b.id for b in ran))]
    if len(ran) < ENOUGH:
        return too_few("A3", len(ran), ENOUGH, "builds", f"So far: {value}.", links)
    if least < LEAST_SHARE * len(ran):
        return state(
            "A3", Status.NOT_MET, value, f"{least_domain} carries too little.", have=len(ran), need=ENOUGH, links=links
        )
    return state(
        "A3", Status.AT_RISK, value, "No drill with one drained was made.", have=len(ran), need=ENOUGH, links=links
    )


def _shared(domains: dict[str, list[str]], is_lab: bool) -> str:
    if not domains:
        return "No provider is configured."
    ((domain, names),) = domains.items()
    who = " and ".join(names)
    if len(names) == 1:
        return f"{who} is the only provider."
    lab = " They run on one machine, as this is a lab." if is_lab else ""
    return f"{who} share one failure domain, {domain}: what ends one ends all.{lab}"


def _a4(facts: ReadinessFacts, now: datetime) -> CriterionState:
    """Builds that tested the change merged with its branch's tip."""
    seen = [b for b in facts.builds if b.is_merged_with_tip is not None and is_recent(b.finished_at, now)]
    bad = [b.id for b in seen if not b.is_merged_with_tip]
    return counted(
        "A4",
        good=len(seen) - len(bad),
        bad=bad,
        kind="builds",
        noun="builds",
        bad_text="on another base",
        why="The tip is the branch's when the trees were made; nothing queued ahead is merged in.",
    )


_RULES: dict[str, Callable[[ReadinessFacts, datetime], CriterionState]] = {
    "B0": _b0,
    "B1": readiness_coverage.b1,
    "B2": readiness_coverage.b2,
    "B4": _b4,
    "B5": readiness_reports.b5,
    "B6": readiness_reports.b6,
    "B7": readiness_reports.b7,
    "B11": readiness_reports.b11,
    "B12": readiness_reports.b12,
    "B13": readiness_coverage.b13,
    "A2": _a2,
    "A3": _a3,
    "A4": _a4,
}

__all__ = ["PLACES_WINDOW", "WINDOW", "blockers", "count_met", "measure"]
