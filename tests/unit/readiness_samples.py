"""A good fortnight for the readiness rules, and ways to change it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from xenci.model.build import ReportState
from xenci.model.outcome import Fault, Result
from xenci.rules.message import BuildLine, MessageFacts, comment
from xenci.rules.readiness import measure
from xenci.rules.readiness_facts import (
    BuildFact,
    BuildsetFact,
    CommentFact,
    CriterionState,
    PatchsetFact,
    ProviderFact,
    ReadinessFacts,
    ReportFact,
)

#: a Friday
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
CONTACT = "https://wiki.example.org/Xen_Project_CI"
TEXT = comment(
    MessageFacts(
        pipeline="check",
        builds=(BuildLine(job="j", url="https://x.example.org/b/1", result=Result.SUCCESS, duration=HOUR),),
        fault=Fault.NONE,
        contact=CONTACT,
        buildset_url="https://x.example.org/s/1",
    )
)
FAILURE_DOMAINS = (ProviderFact(name="ca", failure_domain="north"), ProviderFact(name="cb", failure_domain="south"))


def report(id: int, *, posted_at: datetime | None, **other: object) -> ReportFact:
    base = ReportFact(
        id=id,
        state=ReportState.POSTED if posted_at else ReportState.PENDING,
        message=TEXT,
        vote=1,
        created_at=posted_at or NOW,
        posted_at=posted_at,
    )
    return replace(base, **other)  # type: ignore[arg-type]


def run(id: int, *, asked_at: datetime, took: timedelta = HOUR, **other: object) -> BuildsetFact:
    base = BuildsetFact(
        id=id,
        patchset_id=id,
        pipeline="check",
        trigger_key=f"{id},1:check:upload",
        triggered_at=asked_at,
        created_at=asked_at,
        finished_at=asked_at + took,
        result=Result.SUCCESS,
        fault=Fault.NONE,
        report=report(id, posted_at=asked_at + took),
    )
    return replace(base, **other)  # type: ignore[arg-type]


def world(count: int = 60, **other: object) -> ReadinessFacts:
    """A good fortnight: so many patch sets, each run, reported and proved, one an hour; and rechecks."""
    asked = [NOW - timedelta(days=3) - HOUR * i for i in range(count)]
    rechecks = [CommentFact(id=1000 + i, patchset_id=i, kind="recheck", posted_at=at) for i, at in enumerate(asked)]
    ours = [CommentFact(id=2000 + i, patchset_id=i, kind="ours", posted_at=at + HOUR) for i, at in enumerate(asked)]
    base = ReadinessFacts(
        patchsets=tuple(PatchsetFact(id=i, uploaded_at=at) for i, at in enumerate(asked)),
        buildsets=tuple(run(i, asked_at=at) for i, at in enumerate(asked)),
        builds=tuple(build(i, at + HOUR) for i, at in enumerate(asked)),
        comments=(*rechecks, *ours),
        providers=FAILURE_DOMAINS,
        last_success_at=NOW - HOUR,
        last_report_at=NOW - HOUR,
        account_name="Xen Project CI",
        contact=CONTACT,
    )
    return replace(base, **other)  # type: ignore[arg-type]


def build(id: int, finished_at: datetime, **other: object) -> BuildFact:
    base = BuildFact(
        id=id,
        buildset_id=id,
        job="xen",
        attempt=1,
        provider="ca" if id % 2 else "cb",
        finished_at=finished_at,
        result=Result.SUCCESS,
        evidence=frozenset({"host", "guest"}),
        offers_xen=True,
        carried=4,
        is_merged_with_tip=True,
    )
    return replace(base, **other)  # type: ignore[arg-type]


def change_run(facts: ReadinessFacts, index: int, **other: object) -> ReadinessFacts:
    runs = list(facts.buildsets)
    runs[index] = replace(runs[index], **other)  # type: ignore[arg-type]
    return replace(facts, buildsets=tuple(runs))


def change_build(facts: ReadinessFacts, index: int, **other: object) -> ReadinessFacts:
    builds = list(facts.builds)
    builds[index] = replace(builds[index], **other)  # type: ignore[arg-type]
    return replace(facts, builds=tuple(builds))


def change_report(facts: ReadinessFacts, index: int, **other: object) -> ReadinessFacts:
    before = facts.buildsets[index].report
    assert before is not None
    return change_run(facts, index, report=replace(before, **other))  # type: ignore[arg-type]


def found(id: str, facts: ReadinessFacts, now: datetime = NOW) -> CriterionState:
    return next(one for one in measure(facts, now) if one.id == id)
