"""Every criterion by facts that meet it, that break it, and that are too few to say."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenci.model.build import ReportState
from xenci.model.outcome import Fault, Result
from xenci.rules.criteria import CRITERIA, GROUP_A, GROUP_B
from xenci.rules.message import BuildLine, MessageFacts, comment
from xenci.rules.readiness import blockers, count_met, measure
from xenci.rules.readiness_facts import (
    BuildFact,
    BuildsetFact,
    CommentFact,
    CriterionState,
    PatchsetFact,
    ProviderFact,
    ReadinessFacts,
    ReportFact,
    Status,
)
from xenci.rules.readiness_state import percent, span

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
MEASURED = {"B0", "B1", "B2", "B4", "B5", "B6", "B7", "B11", "B12", "B13", "A0", "A2", "A3", "A4"}


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


def test_every_criterion_is_a_row_in_its_order() -> None:
    assert [one.id for one in measure(ReadinessFacts(), NOW)] == [f"B{i}" for i in range(19)] + [
        f"A{i}" for i in range(12)
    ]
    assert [c.id for c in GROUP_B] + [c.id for c in GROUP_A] == list(CRITERIA)


def test_what_no_facts_are_kept_for_says_why_and_what_it_takes() -> None:
    for one in measure(world(), NOW):
        assert (one.status is Status.CANNOT) == (one.id not in MEASURED)
        if one.status is Status.CANNOT:
            assert " It takes: " in one.why
            assert one.why.endswith(".")
            assert CRITERIA[one.id].why_not
        else:
            assert not CRITERIA[one.id].why_not


def test_with_no_facts_at_all_nothing_is_green() -> None:
    states = measure(ReadinessFacts(), NOW)
    assert not [one.id for one in states if one.status is Status.MET]
    assert found("B1", ReadinessFacts()).value == "0 of 50 patch sets"


def test_a_good_fortnight_is_green_where_it_can_be() -> None:
    met = {one.id for one in measure(world(), NOW) if one.status is Status.MET}
    assert met == {"B0", "B1", "B2", "B4", "B5", "B6", "B7", "B11", "B12", "B13", "A4"}


def test_too_little_is_said_before_any_green() -> None:
    states = {one.id: one for one in measure(world(12), NOW)}
    few = {id for id, one in states.items() if one.status is Status.TOO_FEW}
    assert few == {"B0", "B1", "B2", "B4", "B5", "B6", "B11", "B12", "A3", "A4"}
    assert states["B4"].value == "12 of 50 reports"
    assert (states["B4"].have, states["B4"].need) == (12, 50)


BREAKS: list[tuple[str, str, Callable[[ReadinessFacts], ReadinessFacts], Status, str]] = [
    ("B0", "a tree without the driver", lambda f: change_build(f, 3, offers_xen=False), Status.NOT_MET, "59 of 60"),
    (
        "B1",
        "one missing",
        lambda f: change_run(f, 3, report=None),
        Status.AT_RISK,
        "59 of 60 patch sets, 98.3 %",
    ),
    (
        "B1",
        "four in sixty missing",
        lambda f: replace(f, buildsets=f.buildsets[4:]),
        Status.NOT_MET,
        "56 of 60 patch sets, 93.3 %",
    ),
    (
        "B2",
        "one late",
        lambda f: change_report(f, 3, posted_at=f.buildsets[3].triggered_at + HOUR * 5),
        Status.NOT_MET,
        "worst 5 h 0 min; 98.3 % in time",
    ),
    (
        "B2",
        "one never told",
        lambda f: change_run(f, 3, report=None, finished_at=None),
        Status.NOT_MET,
        "worst 3 days",
    ),
    (
        "B2",
        "one nearly late",
        lambda f: change_report(f, 3, posted_at=f.buildsets[3].triggered_at + HOUR * 3.5),
        Status.AT_RISK,
        "worst 3 h 30 min; 100 % in time",
    ),
    ("B4", "no guest seen", lambda f: change_build(f, 3, evidence=frozenset({"host"})), Status.NOT_MET, "59 of 60"),
    ("B4", "no build at all", lambda f: replace(f, builds=f.builds[1:]), Status.NOT_MET, "59 of 60"),
    ("B5", "a result kept back", lambda f: change_run(f, 3, report=None), Status.NOT_MET, "59 of 60"),
    (
        "B6",
        "two comments for one trigger",
        lambda f: replace(f, comments=(*f.comments, replace(f.comments[-1], id=9999))),
        Status.NOT_MET,
        "60 of 61",
    ),
    (
        "B7",
        "a recheck after the last run",
        lambda f: replace(f, comments=(replace(f.comments[0], posted_at=NOW - HOUR),)),
        Status.NOT_MET,
        "0 of 1 rechecks",
    ),
    ("B11", "text before the header", lambda f: change_report(f, 3, message="Hm. " + TEXT), Status.NOT_MET, "59 of 60"),
    ("B11", "another pipeline", lambda f: change_run(f, 3, pipeline="gate"), Status.NOT_MET, "59 of 60"),
    ("B11", "no contact", lambda f: change_report(f, 3, message=TEXT.replace(CONTACT, "")), Status.NOT_MET, "59 of 60"),
    ("B11", "a name that hides us", lambda f: replace(f, account_name="xen-ci"), Status.NOT_MET, "0 of 60"),
    ("B12", "a conflict told", lambda f: change_run(f, 3, result=Result.MERGE_CONFLICT), Status.NOT_MET, "1 of 60"),
    ("B12", "a vote on our fault", lambda f: change_run(f, 3, fault=Fault.INFRA), Status.NOT_MET, "1 of 60"),
    (
        "B13",
        "no success",
        lambda f: replace(f, last_success_at=NOW - timedelta(days=15)),
        Status.NOT_MET,
        "15 days ago",
    ),
    (
        "B13",
        "nothing reported for days",
        lambda f: replace(f, last_report_at=NOW - timedelta(days=9)),
        Status.AT_RISK,
        "last report 9 days ago",
    ),
    ("A4", "another base", lambda f: change_build(f, 3, is_merged_with_tip=False), Status.NOT_MET, "59 of 60"),
]


@pytest.mark.parametrize(
    ("id", "breaking", "status", "value"), [(b[0], *b[2:]) for b in BREAKS], ids=[f"{b[0]}: {b[1]}" for b in BREAKS]
)
def test_one_thing_that_goes_wrong_turns_its_criterion(
    id: str, breaking: Callable[[ReadinessFacts], ReadinessFacts], status: Status, value: str
) -> None:
    one = found(id, breaking(world()))
    assert one.status is status
    assert value in one.value
    assert found(id, world()).status is Status.MET


def test_a_violation_counts_however_little_data_there_is() -> None:
    assert found("B12", change_run(world(2), 0, result=Result.MERGE_CONFLICT)).status is Status.NOT_MET
    assert found("B4", change_build(world(2), 0, evidence=frozenset())).status is Status.NOT_MET


def test_the_rows_behind_a_number_can_be_opened() -> None:
    (link,) = found("B5", change_run(world(), 3, report=None)).links
    assert (link.text, link.kind, link.ids) == ("1 without a report", "buildsets", (3,))


@pytest.mark.parametrize(
    ("patchset", "other", "said"),
    [
        ({"not_run": "Only documentation files changed."}, None, "1 wanted by no pipeline"),
        ({"is_superseded": True}, None, "1 superseded before a report"),
        ({"is_superseded": True}, {"report": None, "was_withdrawn": True}, "1 superseded before a report"),
        ({}, {"report": None, "result": Result.MERGE_CONFLICT}, "1 MERGE_CONFLICT"),
        ({}, {"report": None, "result": Result.CARRY_CONFLICT}, "1 CARRY_CONFLICT"),
        ({}, {"report": None, "result": Result.NOT_APPLICABLE}, "1 NOT_APPLICABLE"),
    ],
)
def test_what_is_not_eligible_is_left_out_by_reason_and_linked(
    patchset: dict[str, object], other: dict[str, object] | None, said: str
) -> None:
    facts = world()
    facts = replace(facts, patchsets=(replace(facts.patchsets[0], **patchset), *facts.patchsets[1:]))  # type: ignore[arg-type]
    facts = change_run(facts, 0, **other) if other else replace(facts, buildsets=facts.buildsets[1:])
    one = found("B1", facts)
    assert one.status is Status.MET
    assert one.value == "59 of 59 patch sets, 100 %"
    assert said in one.why
    assert [link.text for link in one.links] == [said]


def test_a_patch_set_that_still_has_time_is_neither_reported_nor_missing() -> None:
    facts = world()
    fresh = PatchsetFact(id=777, uploaded_at=NOW - HOUR)
    one = found("B1", replace(facts, patchsets=(*facts.patchsets, fresh)))
    assert (one.status, one.value) == (Status.MET, "60 of 60 patch sets, 100 %")
    assert one.why == "1 more still have time."


def test_a_patch_set_that_nothing_ran_for_is_missing_after_four_hours() -> None:
    facts = world()
    old = PatchsetFact(id=777, uploaded_at=NOW - 5 * HOUR)
    one = found("B1", replace(facts, patchsets=(*facts.patchsets, old)))
    assert one.status is Status.AT_RISK
    assert one.links[0].ids == (777,)


def test_an_operator_who_stops_a_build_leaves_the_patch_set_without_its_report() -> None:
    one = found("B1", change_run(world(), 0, report=None, result=Result.ABORTED))
    assert one.status is Status.AT_RISK


def test_what_happened_before_the_window_is_not_counted() -> None:
    later = NOW + timedelta(days=30)
    assert found("B1", world(), later).value == "0 of 50 patch sets"
    assert found("B5", change_run(world(), 3, report=None), later).status is Status.TOO_FEW


def test_a_recheck_is_honoured_by_the_run_with_its_key() -> None:
    facts = world()
    asked = [replace(c, posted_at=NOW - HOUR, key=f"{c.id}-aaaaaaaa") for c in facts.comments[:10]]
    runs = [
        run(500 + i, asked_at=NOW - 2 * HOUR, patchset_id=c.patchset_id, trigger_key=f"1,1:check:recheck:{c.key}")
        for i, c in enumerate(asked)
    ]
    one = found("B7", replace(facts, comments=tuple(asked), buildsets=(*facts.buildsets, *runs)))
    assert (one.status, one.value) == (Status.MET, "10 of 10 rechecks, 100 %")


def test_a_recheck_of_a_moment_ago_is_not_yet_missed() -> None:
    facts = world()
    asked = (replace(facts.comments[0], posted_at=NOW - timedelta(minutes=1)),)
    assert found("B7", replace(facts, comments=asked)).status is Status.TOO_FEW


def test_a_recheck_on_a_closed_change_is_not_counted() -> None:
    facts = world()
    asked = (replace(facts.comments[0], posted_at=NOW - HOUR, is_eligible=False),)
    assert found("B7", replace(facts, comments=asked)).value == "0 of 10 rechecks"


def test_a_recheck_of_a_change_that_no_pipeline_wants_is_not_counted() -> None:
    facts = world()
    asked = (replace(facts.comments[0], posted_at=NOW - HOUR, is_wanted=False),)
    facts = replace(facts, comments=asked, patchsets=(), buildsets=())
    assert found("B7", facts).value == "0 of 10 rechecks"


def test_comments_on_our_own_lasting_faults_are_counted_apart() -> None:
    facts = change_report(change_run(world(), 3, fault=Fault.INFRA, result=Result.RETRY_LIMIT), 3, vote=None)
    one = found("B12", facts)
    assert one.status is Status.MET
    assert one.why == "1 told of a lasting fault of our own, without a vote; 0 endings were not told."


def test_a_report_of_our_own_fault_needs_no_evidence() -> None:
    facts = change_run(change_build(world(), 3, evidence=frozenset()), 3, result=Result.RETRY_LIMIT)
    assert found("B4", facts).value == "59 of 59 reports, 100 %"


def test_the_last_attempt_is_what_must_be_proved() -> None:
    facts = world()
    lost = build(900, NOW - HOUR, buildset_id=3, attempt=1, evidence=frozenset(), result=Result.FAILURE)
    facts = change_build(replace(facts, builds=(*facts.builds, lost)), 3, attempt=2)
    assert found("B4", facts).status is Status.MET


def test_the_driver_that_a_series_brings_back_is_said() -> None:
    assert found("B0", world()).why.startswith(
        "60 of them by a carried series: upstream has no Xen driver since 23.0.0. "
    )


def test_the_driver_is_said_to_be_seen_by_a_guest_of_the_builds_own() -> None:
    one = found("B0", world())
    assert one.value == "60 of 60 builds whose own guest was seen on Xen, 100 %"
    assert one.why.endswith("A build without one is not counted, so a tree without the driver only makes them fewer.")


def test_two_clouds_on_one_machine_are_one_place_and_the_lab_says_so() -> None:
    shared = tuple(replace(provider, failure_domain="this-machine") for provider in FAILURE_DOMAINS)
    one = found("A3", world(providers=shared, is_lab=True))
    assert one.status is Status.NOT_MET
    assert one.why == (
        "ca and cb share one failure domain, this-machine: what ends one ends all. "
        "They run on one machine, as this is a lab."
    )


def test_one_provider_is_one_place() -> None:
    assert found("A3", world(providers=FAILURE_DOMAINS[:1])).why == "ca is the only provider."
    assert found("A3", world(providers=())).status is Status.NOT_MET


def test_two_places_are_at_risk_until_a_drill_was_made() -> None:
    one = found("A3", world())
    assert one.status is Status.AT_RISK
    assert one.value == "2 failure domains; 50.0 % of 60 builds in north"


def test_a_place_that_carries_too_little_is_named() -> None:
    facts = world()
    builds = tuple(replace(b, provider="ca" if b.id < 5 else "cb") for b in facts.builds)
    one = found("A3", replace(facts, builds=builds))
    assert (one.status, one.why) == (Status.NOT_MET, "north carries too little.")
    idle = tuple(replace(b, provider="cb") for b in facts.builds)
    assert found("A3", replace(facts, builds=idle)).value == "2 failure domains; 0 % of 60 builds in north"


def test_a_young_installation_without_a_success_has_too_little_data() -> None:
    young = world(last_success_at=None)
    assert found("B13", young).status is Status.TOO_FEW
    assert found("B13", young, NOW + timedelta(days=20)).status is Status.NOT_MET


def test_a_weekend_without_reports_is_no_risk() -> None:
    """The run waits from Friday noon; on Monday morning a working day has not passed."""
    facts = replace(world(0), buildsets=(run(1, asked_at=NOW, report=None, finished_at=None, result=None),))
    assert found("B13", facts, NOW + timedelta(days=2, hours=20)).status is Status.MET
    assert found("B13", facts, NOW + timedelta(days=3, hours=13)).status is Status.AT_RISK


def test_a_quiet_project_is_no_risk() -> None:
    assert found("B13", world(0), NOW + timedelta(days=10)).status is Status.MET


def test_group_a_begins_with_all_of_b() -> None:
    one = found("A0", world())
    assert (one.status, one.value) == (Status.NOT_MET, "10 of 19")
    assert one.why.startswith("Open: B3, B8,")


def test_what_blocks_a_group_is_told_worst_first() -> None:
    states = measure(change_run(world(), 3, report=None), NOW)
    assert count_met(states, "B") == (7, 19)
    assert [one.id for one in blockers(states, "B")][:3] == ["B2", "B5", "B1"]


def test_a_share_is_never_rounded_to_all_or_nothing() -> None:
    assert percent(9999, 10000) == "99.9 %"
    assert percent(1, 10000) == "0.1 %"
    assert (percent(0, 5), percent(5, 5), percent(0, 0)) == ("0 %", "100 %", "no data")


def test_lengths_of_time_are_for_people() -> None:
    assert [span(timedelta(seconds=s)) for s in (82, 720, 8100, 259_200)] == ["82 s", "12 min", "2 h 15 min", "3 days"]


@given(st.data())
def test_any_facts_give_every_criterion_a_state_without_an_error(data: st.DataObject) -> None:
    moments = st.sampled_from([NOW - timedelta(days=d) for d in (0, 1, 13, 15, 40)])
    runs = st.builds(
        BuildsetFact,
        id=st.integers(0, 3),
        patchset_id=st.integers(0, 3),
        pipeline=st.sampled_from(["check", "x"]),
        trigger_key=st.just("k"),
        triggered_at=moments,
        created_at=moments,
        finished_at=st.none() | moments,
        result=st.none() | st.sampled_from(Result),
        fault=st.none() | st.sampled_from(Fault),
        was_withdrawn=st.booleans(),
        report=st.none()
        | st.builds(
            ReportFact,
            id=st.integers(0, 3),
            state=st.sampled_from(ReportState),
            message=st.sampled_from([TEXT, ""]),
            vote=st.sampled_from([None, 1, -1]),
            created_at=moments,
            posted_at=st.none() | moments,
        ),
    )
    facts = ReadinessFacts(
        patchsets=tuple(PatchsetFact(id=i, uploaded_at=data.draw(moments)) for i in range(3)),
        buildsets=tuple(data.draw(st.lists(runs, max_size=4))),
        builds=tuple(build(i, data.draw(moments)) for i in range(3)),
        providers=data.draw(st.sampled_from([(), FAILURE_DOMAINS, FAILURE_DOMAINS[:1]])),
        last_success_at=data.draw(st.none() | moments),
        last_report_at=data.draw(st.none() | moments),
    )
    for one in measure(facts, NOW):
        assert one.status is Status.CANNOT or one.value
        if one.status is Status.MET and one.need is not None:
            assert one.have is not None
            assert one.have >= one.need
