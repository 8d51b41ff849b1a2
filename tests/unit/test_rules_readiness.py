"""Every criterion by facts that meet it, that break it, and that are too few to say."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.readiness_samples import (
    CONTACT,
    FAILURE_DOMAINS,
    HOUR,
    NOW,
    TEXT,
    build,
    change_build,
    change_report,
    change_run,
    found,
    world,
)
from xenci.model.build import ReportState
from xenci.model.outcome import Fault, Result
from xenci.rules.criteria import CRITERIA, GROUP_A, GROUP_B
from xenci.rules.readiness import blockers, count_met, measure
from xenci.rules.readiness_facts import BuildsetFact, PatchsetFact, ReadinessFacts, ReportFact, Status
from xenci.rules.readiness_state import percent, span

MEASURED = {"B0", "B1", "B2", "B4", "B5", "B6", "B7", "B11", "B12", "B13", "A0", "A2", "A3", "A4"}


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
