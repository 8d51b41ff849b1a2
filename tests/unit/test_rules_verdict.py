"""Whose fault an ending is, whether it votes, and what is told: the table of the rules."""

from dataclasses import replace

import pytest

from tests.unit.verdict_samples import BAD, BOOT, DEAD, DONE, ENDED, GOOD, LATE, LIST, SET_UP, SHOW, failed, passed
from xenci.model.build import Run
from xenci.model.outcome import Fault, Result, Verdict
from xenci.rules.build_facts import BuildFacts, Step
from xenci.rules.proof import RunFacts
from xenci.rules.verdict import judge


def with_first(**other: object) -> BuildFacts:
    assert GOOD.first is not None
    return replace(GOOD, first=replace(GOOD.first, **other))  # type: ignore[arg-type]


def told(verdict: Verdict) -> str:
    return " ".join(verdict.reasons)


def test_a_good_change_gets_plus_one() -> None:
    verdict = judge(GOOD)
    assert (verdict.result, verdict.fault, verdict.vote) == (Result.SUCCESS, Fault.NONE, 1)
    assert verdict.reasons == ("2 tests passed, 1 skipped.",)


def test_a_test_that_fails_fails_again_and_passes_on_the_tip_is_the_changes() -> None:
    verdict = judge(BAD)
    assert (verdict.result, verdict.fault, verdict.vote) == (Result.FAILURE, Fault.CHANGE, -1)
    assert verdict.reasons == (
        "1 test fails with this change, again when run alone, and not on the tip of the branch on the same node: "
        f"{BOOT}.",
    )
    assert not verdict.retry


def test_a_class_that_cannot_be_set_up_is_the_changes_if_its_tests_run_on_the_tip() -> None:
    """A set-up that succeeds is not reported: that it did is seen from the class's tests."""
    verdict = judge(replace(BAD, first=failed(SET_UP), again=failed(SET_UP), tip=passed(BOOT)))
    assert verdict.vote == -1
    assert SET_UP in told(verdict)


def test_nova_that_starts_from_the_tip_alone_is_the_changes_fault() -> None:
    verdict = judge(DEAD)
    assert (verdict.result, verdict.fault, verdict.vote) == (Result.FAILURE, Fault.CHANGE, -1)
    assert verdict.reasons[0] == "Nova does not start from the change."
    assert "SyntaxError" in told(verdict)
    assert "It was started twice." in verdict.reasons


#: name, facts, result, fault, whether another attempt is worth it
ENDINGS: list[tuple[str, BuildFacts, Result, Fault, bool]] = [
    ("cancelled", replace(BAD, cancelled="by an operator"), Result.ABORTED, Fault.NONE, False),
    ("the node was lost", replace(BAD, node_lost="SSH is gone"), Result.NODE_FAILURE, Fault.INFRA, True),
    ("xenci broke", replace(BAD, broken="disk full"), Result.ERROR, Fault.INFRA, True),
    ("no tree", replace(BAD, tree=None), Result.ERROR, Fault.INFRA, True),
    ("the push failed", replace(BAD, tree=Step(exit_code=1)), Result.ERROR, Fault.INFRA, True),
    ("the push was late", replace(BAD, tree=LATE), Result.TIMED_OUT, Fault.INFRA, True),
    ("another tree, good", replace(GOOD, tree_agrees=False), Result.ERROR, Fault.INFRA, True),
    ("another tree, bad", replace(BAD, tree_agrees=False), Result.ERROR, Fault.INFRA, True),
    ("no proof of the tree, good", replace(GOOD, tree_agrees=None), Result.ERROR, Fault.INFRA, True),
    ("no proof of the tree, bad", replace(BAD, tree_agrees=None), Result.ERROR, Fault.INFRA, True),
    ("another tip", replace(BAD, tip_agrees=False), Result.ERROR, Fault.INFRA, True),
    ("no proof of the tip", replace(BAD, tip_agrees=None), Result.ERROR, Fault.INFRA, True),
    ("Nova was never started", replace(BAD, nova=None), Result.ERROR, Fault.INFRA, True),
    ("Nova was late", replace(BAD, nova=LATE), Result.TIMED_OUT, Fault.UNKNOWN, True),
    ("Nova said it was late", replace(BAD, nova=Step(exit_code=4)), Result.TIMED_OUT, Fault.UNKNOWN, True),
    ("Nova left no code", replace(BAD, nova=Step(exit_code=None)), Result.ERROR, Fault.INFRA, True),
    ("no such commit", replace(DEAD, nova=Step(exit_code=2)), Result.ERROR, Fault.INFRA, True),
    ("Nova ran elsewhere", replace(DEAD, nova=Step(exit_code=3)), Result.ERROR, Fault.INFRA, True),
    ("dead once", replace(DEAD, nova_again=DONE), Result.FAILURE, Fault.UNKNOWN, True),
    ("dead, not started again", replace(DEAD, nova_again=None), Result.FAILURE, Fault.UNKNOWN, True),
    ("dead, late again", replace(DEAD, nova_again=LATE), Result.TIMED_OUT, Fault.UNKNOWN, True),
    ("dead, said late again", replace(DEAD, nova_again=Step(exit_code=4)), Result.TIMED_OUT, Fault.UNKNOWN, True),
    ("dead, no code again", replace(DEAD, nova_again=Step(exit_code=None)), Result.ERROR, Fault.INFRA, True),
    ("dead, the node's fault again", replace(DEAD, nova_again=Step(exit_code=5)), Result.ERROR, Fault.INFRA, True),
    ("dead, of another tree", replace(DEAD, tried_agrees=False), Result.ERROR, Fault.INFRA, True),
    ("dead, of nobody knows what", replace(DEAD, tried_agrees=None), Result.ERROR, Fault.INFRA, True),
    ("dead, tip not tried", replace(DEAD, nova_tip=None), Result.FAILURE, Fault.UNKNOWN, True),
    ("dead, tip dead too", replace(DEAD, nova_tip=ENDED), Result.FAILURE, Fault.UNKNOWN, True),
    ("dead, tip late", replace(DEAD, nova_tip=LATE), Result.TIMED_OUT, Fault.UNKNOWN, True),
    ("dead, tip of another tree", replace(DEAD, tip_agrees=None), Result.ERROR, Fault.INFRA, True),
    ("dead, nothing run on the tip", replace(DEAD, tip=None), Result.FAILURE, Fault.UNKNOWN, True),
    ("dead, the tip's boot fails", replace(DEAD, tip=failed(BOOT)), Result.FAILURE, Fault.UNKNOWN, True),
    (
        "dead, another boot test fails on the tip",
        replace(DEAD, tip=RunFacts(passed=frozenset({BOOT}), failed=frozenset({SHOW}))),
        Result.FAILURE,
        Fault.UNKNOWN,
        True,
    ),
    ("dead, the tip's run is late", replace(DEAD, tip=RunFacts(timed_out=True)), Result.TIMED_OUT, Fault.UNKNOWN, True),
    ("dead, no guest seen", replace(DEAD, guest_seen=frozenset()), Result.POST_FAILURE, Fault.INFRA, True),
    ("Tempest never started", replace(GOOD, first=None), Result.ERROR, Fault.INFRA, True),
    ("Tempest was late", with_first(timed_out=True, exit_code=None), Result.TIMED_OUT, Fault.UNKNOWN, True),
    (
        "Tempest was late with failures",
        replace(BAD, first=RunFacts(failed=frozenset({BOOT}), timed_out=True)),
        Result.TIMED_OUT,
        Fault.UNKNOWN,
        True,
    ),
    ("again was late", replace(BAD, again=RunFacts(timed_out=True)), Result.TIMED_OUT, Fault.UNKNOWN, True),
    (
        "the tip's run was late",
        replace(BAD, tip=RunFacts(passed=frozenset({BOOT}), timed_out=True)),
        Result.TIMED_OUT,
        Fault.UNKNOWN,
        True,
    ),
    ("nothing ran", replace(GOOD, first=RunFacts()), Result.ERROR, Fault.INFRA, True),
    ("all skipped", replace(GOOD, first=RunFacts(skipped=frozenset({LIST}))), Result.ERROR, Fault.INFRA, True),
    ("some never started", with_first(never_started=frozenset({"a.B.test_c"})), Result.ERROR, Fault.INFRA, True),
    ("one unfinished", with_first(unfinished=frozenset({SHOW})), Result.FAILURE, Fault.UNKNOWN, True),
    ("the run was cut", with_first(exit_code=None), Result.ERROR, Fault.INFRA, True),
    ("an exit code without a failure", with_first(exit_code=2), Result.ERROR, Fault.INFRA, True),
    ("a damaged stream, good", with_first(damage="3 bytes"), Result.ERROR, Fault.INFRA, True),
    (
        "a damaged stream, bad",
        replace(BAD, first=RunFacts(passed=frozenset({LIST}), failed=frozenset({BOOT}), damage="3 bytes")),
        Result.ERROR,
        Fault.INFRA,
        True,
    ),
    (
        "again is damaged",
        replace(BAD, again=RunFacts(failed=frozenset({BOOT}), damage="3 bytes")),
        Result.ERROR,
        Fault.INFRA,
        True,
    ),
    (
        "the tip is damaged",
        replace(BAD, tip=RunFacts(passed=frozenset({BOOT}), damage="3 bytes")),
        Result.ERROR,
        Fault.INFRA,
        True,
    ),
    (
        "dead, the tip is damaged",
        replace(DEAD, tip=RunFacts(passed=frozenset({BOOT}), damage="3 bytes")),
        Result.ERROR,
        Fault.INFRA,
        True,
    ),
    ("no host evidence, good", replace(GOOD, host_seen=False), Result.POST_FAILURE, Fault.INFRA, True),
    ("no host evidence, bad", replace(BAD, host_seen=False), Result.POST_FAILURE, Fault.INFRA, True),
    ("no guest, good", replace(GOOD, guest_seen=frozenset()), Result.POST_FAILURE, Fault.INFRA, True),
    (
        "a guest of the tip alone, good",
        replace(GOOD, guest_seen=frozenset({Run.TIP})),
        Result.POST_FAILURE,
        Fault.INFRA,
        True,
    ),
    ("no guest, bad", replace(BAD, guest_seen=frozenset()), Result.POST_FAILURE, Fault.INFRA, True),
    ("no logs, good", replace(GOOD, collect=None), Result.POST_FAILURE, Fault.INFRA, True),
    ("logs were late, bad", replace(BAD, collect=LATE), Result.POST_FAILURE, Fault.INFRA, True),
    ("not run again", replace(BAD, again=None, nova_tip=None, tip=None), Result.FAILURE, Fault.UNKNOWN, True),
    ("flaky", replace(BAD, again=passed(BOOT), nova_tip=None, tip=None), Result.FAILURE, Fault.UNKNOWN, True),
    ("tip not run", replace(BAD, tip=None), Result.FAILURE, Fault.UNKNOWN, True),
    ("tip never started", replace(BAD, nova_tip=ENDED, tip=None), Result.FAILURE, Fault.UNKNOWN, True),
    ("tip's Nova unknown", replace(BAD, nova_tip=None), Result.FAILURE, Fault.UNKNOWN, True),
    ("tip skips it", replace(BAD, tip=RunFacts(skipped=frozenset({BOOT}))), Result.FAILURE, Fault.UNKNOWN, True),
    ("tip fails it, and nothing passes", replace(BAD, tip=failed(BOOT)), Result.FAILURE, Fault.UNKNOWN, True),
    (
        "tip fails it, and others pass",
        replace(BAD, tip=RunFacts(failed=frozenset({BOOT}), passed=frozenset({LIST}))),
        Result.FAILURE,
        Fault.UNKNOWN,
        False,
    ),
]


@pytest.mark.parametrize(("facts", "result", "fault", "retry"), [e[1:] for e in ENDINGS], ids=[e[0] for e in ENDINGS])
def test_every_other_ending_has_no_vote(facts: BuildFacts, result: Result, fault: Fault, retry: bool) -> None:
    verdict = judge(facts)
    assert (verdict.result, verdict.fault, verdict.retry) == (result, fault, retry)
    assert verdict.vote is None
    assert verdict.reasons
    assert all(reason[0].isupper() or reason[0].isdigit() for reason in verdict.reasons)
    assert all(reason.endswith(".") for reason in verdict.reasons)


def test_one_proved_failure_among_others_is_enough_and_each_is_told_apart() -> None:
    other = "tempest.x.Y.test_other"
    verdict = judge(
        replace(
            BAD,
            first=RunFacts(failed=frozenset({BOOT, LIST, SHOW, other})),
            again=RunFacts(failed=frozenset({BOOT, LIST}), passed=frozenset({SHOW})),
            tip=RunFacts(passed=frozenset({BOOT}), failed=frozenset({LIST})),
        )
    )
    assert verdict.vote == -1
    assert verdict.reasons == (
        "1 test fails with this change, again when run alone, and not on the tip of the branch on the same node: "
        f"{BOOT}.",
        f"1 test fails on the tip of the branch too, so this is not the change's: {LIST}.",
        f"1 test fails once, but not when run again alone: {SHOW}.",
        f"1 test fails, and no second run tells why: {other}.",
    )


def test_a_hanging_test_is_named() -> None:
    verdict = judge(with_first(timed_out=True, exit_code=None, unfinished=frozenset({SHOW})))
    assert verdict.reasons == ("Tempest passed its deadline.", f"1 test was unfinished: {SHOW}.")


def test_our_own_fault_over_all_attempts_is_a_retry_limit() -> None:
    verdict = judge(replace(GOOD, node_lost="SSH is gone", attempt=3, attempts=3))
    assert (verdict.result, verdict.fault, verdict.retry) == (Result.RETRY_LIMIT, Fault.INFRA, False)
    assert verdict.reasons == ("All 3 attempts ended by our own fault.", "SSH is gone.")


def test_an_unknown_failure_is_tried_once_more_and_then_told() -> None:
    flaky = replace(BAD, again=passed(BOOT), nova_tip=None, tip=None)
    assert judge(flaky).retry
    second = judge(replace(flaky, attempt=2))
    assert (second.result, second.fault, second.retry) == (Result.FAILURE, Fault.UNKNOWN, False)


def test_a_job_without_a_hypervisor_can_succeed_without_evidence() -> None:
    assert judge(replace(GOOD, needs_xen=False, host_seen=False, guest_seen=frozenset())).result is Result.SUCCESS
