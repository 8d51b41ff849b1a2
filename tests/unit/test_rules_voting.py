"""How builds join to a buildset, and when a vote is let through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenci.model.build import Mode
from xenci.model.outcome import SILENT, Fault, Result, Verdict
from xenci.rules.voting import (
    JobVerdict,
    allowed_vote,
    buildset_verdict,
    carry_conflict,
    merge_conflict,
    not_applicable,
    why_not_reported,
)

SUCCESS = Verdict(result=Result.SUCCESS, fault=Fault.NONE, reasons=("All passed.",))
BROKEN = Verdict(result=Result.FAILURE, fault=Fault.CHANGE, reasons=("A test fails.",))
FLAKY = Verdict(result=Result.FAILURE, fault=Fault.UNKNOWN, reasons=("A test is flaky.",))
LOST = Verdict(result=Result.RETRY_LIMIT, fault=Fault.INFRA, reasons=("The cloud is down.",))
ABORTED = Verdict(result=Result.ABORTED, fault=Fault.NONE, reasons=("By an operator.",))
MERGE = merge_conflict(["nova/x.py"])
CARRY = carry_conflict("0002-x.patch", ["nova/y.py"], on_tip=False)
NOT_NEEDED = not_applicable("No job is for branch stable/x.")
ALL = [SUCCESS, BROKEN, FLAKY, LOST, ABORTED, MERGE, CARRY, NOT_NEEDED]


def join(*verdicts: Verdict) -> Verdict:
    return buildset_verdict([JobVerdict(job=f"job{i}", verdict=v) for i, v in enumerate(verdicts)])


@pytest.mark.parametrize(
    ("verdicts", "result", "fault", "vote"),
    [
        ([SUCCESS], Result.SUCCESS, Fault.NONE, 1),
        ([SUCCESS, SUCCESS], Result.SUCCESS, Fault.NONE, 1),
        ([SUCCESS, NOT_NEEDED], Result.SUCCESS, Fault.NONE, 1),
        ([SUCCESS, BROKEN], Result.FAILURE, Fault.CHANGE, -1),
        ([LOST, BROKEN], Result.FAILURE, Fault.CHANGE, -1),
        ([SUCCESS, LOST], Result.RETRY_LIMIT, Fault.INFRA, None),
        ([FLAKY, LOST], Result.RETRY_LIMIT, Fault.INFRA, None),
        ([SUCCESS, FLAKY], Result.FAILURE, Fault.UNKNOWN, None),
        ([SUCCESS, ABORTED], Result.ABORTED, Fault.NONE, None),
        ([SUCCESS, CARRY], Result.CARRY_CONFLICT, Fault.INFRA, None),
        ([MERGE, CARRY], Result.MERGE_CONFLICT, Fault.NONE, None),
        ([NOT_NEEDED], Result.NOT_APPLICABLE, Fault.NONE, None),
        ([], Result.NOT_APPLICABLE, Fault.NONE, None),
    ],
)
def test_a_buildset_has_the_verdict_of_the_builds_that_decide(
    verdicts: list[Verdict], result: Result, fault: Fault, vote: int | None
) -> None:
    joined = join(*verdicts)
    assert (joined.result, joined.fault, joined.vote) == (result, fault, vote)
    assert joined.reasons
    reversed_ = join(*reversed(verdicts))
    assert (reversed_.result, reversed_.fault) == (result, fault)


def test_reasons_name_their_job_where_there_are_several() -> None:
    assert join(SUCCESS, BROKEN).reasons == ("job1: A test fails.",)
    assert join(BROKEN).reasons == ("A test fails.",)


@given(st.lists(st.sampled_from(ALL), min_size=1, max_size=5))
def test_a_buildset_succeeds_only_if_every_needed_build_did(verdicts: list[Verdict]) -> None:
    joined = join(*verdicts)
    if joined.vote == 1:
        assert all(v in (SUCCESS, NOT_NEEDED) for v in verdicts)
    if joined.vote == -1:
        assert BROKEN in verdicts


@pytest.mark.parametrize(
    ("mode", "plus", "minus"),
    [(Mode.STORE_ONLY, None, None), (Mode.COMMENT, None, None), (Mode.PLUS_ONE, 1, None), (Mode.VOTE, 1, -1)],
)
def test_a_pipeline_votes_as_its_mode_says(mode: Mode, plus: int | None, minus: int | None) -> None:
    assert allowed_vote(mode, SUCCESS, is_current=True, is_open=True) == plus
    assert allowed_vote(mode, BROKEN, is_current=True, is_open=True) == minus


@pytest.mark.parametrize("missing", ["is_current", "is_open", "proves_xen"])
@pytest.mark.parametrize("verdict", [SUCCESS, BROKEN])
def test_one_thing_that_is_missing_forbids_the_vote(verdict: Verdict, missing: str) -> None:
    conditions = {"is_current": True, "is_open": True, "proves_xen": True}
    assert allowed_vote(Mode.VOTE, verdict, **conditions) == verdict.vote
    assert allowed_vote(Mode.VOTE, verdict, **(conditions | {missing: False})) is None


@given(st.sampled_from(Mode), st.sampled_from(ALL), st.booleans(), st.booleans(), st.booleans())
def test_a_vote_is_only_for_the_current_patch_set_of_an_open_change_that_was_tested_on_xen(
    mode: Mode, verdict: Verdict, is_current: bool, is_open: bool, proves_xen: bool
) -> None:
    vote = allowed_vote(mode, verdict, is_current=is_current, is_open=is_open, proves_xen=proves_xen)
    if vote is not None:
        assert is_current
        assert is_open
        assert proves_xen
        assert vote == verdict.vote
        assert verdict.fault in (Fault.NONE, Fault.CHANGE)


@pytest.mark.parametrize("verdict", [ABORTED, MERGE, CARRY, NOT_NEEDED])
def test_conflicts_and_what_was_not_run_are_not_reported(verdict: Verdict) -> None:
    assert verdict.result in SILENT
    assert why_not_reported(Mode.VOTE, verdict, is_current=True, is_open=True)


def test_a_lasting_fault_of_our_own_is_reported_without_a_vote() -> None:
    assert why_not_reported(Mode.VOTE, LOST, is_current=True, is_open=True) is None
    assert allowed_vote(Mode.VOTE, LOST, is_current=True, is_open=True) is None


@pytest.mark.parametrize(
    ("mode", "is_current", "is_open", "said"),
    [
        (Mode.STORE_ONLY, True, True, "The pipeline only stores its results."),
        (Mode.VOTE, False, True, "There is a newer patch set."),
        (Mode.VOTE, True, False, "The change is closed."),
    ],
)
def test_a_report_that_nobody_needs_is_dropped_and_says_why(
    mode: Mode, is_current: bool, is_open: bool, said: str
) -> None:
    assert why_not_reported(mode, SUCCESS, is_current=is_current, is_open=is_open) == said


def test_a_carry_conflict_names_the_patch_and_the_files() -> None:
    assert CARRY.reasons == (
        "The carried patch 0002-x.patch does not apply on the change, though it does on the tip of the branch: "
        "nova/y.py.",
    )
    on_tip = carry_conflict("0002-x.patch", ["nova/y.py"], on_tip=True)
    assert on_tip.reasons == ("The carried patch 0002-x.patch applies not even on the tip of the branch: nova/y.py.",)
