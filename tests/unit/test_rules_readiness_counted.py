"""Single criteria: what each of them counts, what it leaves out or waits for, and what it says of it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.readiness_samples import (
    FAILURE_DOMAINS,
    HOUR,
    NOW,
    build,
    change_build,
    change_report,
    change_run,
    found,
    run,
    world,
)
from xenci.model.outcome import Fault, Result
from xenci.rules.readiness_facts import PatchsetFact, Status


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
