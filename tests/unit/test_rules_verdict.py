"""Whose fault an ending is: the table of the rules, and what holds whatever the facts are."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenci.model.build import Run
from xenci.model.outcome import Fault, Result, Verdict
from xenci.model.tests import TestResult, TestStatus
from xenci.rules.build_facts import NOVA_ENDED, BuildFacts, Step
from xenci.rules.proof import Blame, RunFacts, blame, run_facts, runnable, unexplained
from xenci.rules.reruns import MOST_REPEATED, Repeat, names, next_run
from xenci.rules.verdict import judge

LIST = "tempest.api.compute.test_list.ListTest.test_list[id-1,smoke]"
SHOW = "tempest.api.compute.test_list.ListTest.test_show[id-2]"
BOOT = "tempest.api.compute.servers.test_create.CreateTest.test_boot[id-3]"
BOOT_CLASS = "tempest.api.compute.servers.test_create.CreateTest"
SET_UP = f"setUpClass ({BOOT_CLASS})"
TEAR_DOWN = f"tearDownClass ({BOOT_CLASS})"

DONE = Step()
LATE = Step(timed_out=True, exit_code=None)
ENDED = Step(exit_code=1, detail="SyntaxError in nova/virt/libvirt/driver.py")
#: a good change, all proved
GOOD = BuildFacts(
    tree=DONE,
    nova=DONE,
    tree_agrees=True,
    first=RunFacts(passed=frozenset({LIST, BOOT}), skipped=frozenset({SHOW})),
    host_seen=True,
    guest_seen=frozenset({Run.FIRST}),
    collect=DONE,
)
#: a change that breaks one test, all proved
BAD = replace(
    GOOD,
    first=RunFacts(passed=frozenset({LIST}), failed=frozenset({BOOT})),
    again=RunFacts(failed=frozenset({BOOT})),
    nova_tip=DONE,
    tip_agrees=True,
    tip=RunFacts(passed=frozenset({BOOT})),
    guest_seen=frozenset({Run.TIP}),
)
#: a change with which Nova does not start
DEAD = replace(
    BAD,
    nova=ENDED,
    nova_again=ENDED,
    tree_agrees=None,
    tried_agrees=True,
    first=None,
    again=None,
)


def failed(*tests: str) -> RunFacts:
    return RunFacts(failed=frozenset(tests))


def passed(*tests: str) -> RunFacts:
    return RunFacts(passed=frozenset(tests))


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


#: runs of every kind, made once: drawing sets is slow
WHERE = ("passed", "failed", "skipped", "unfinished", "never_started")
POOL: list[RunFacts | None] = [None]
POOL += [
    RunFacts(**{one: frozenset({BOOT}), two: frozenset({other})}, timed_out=late, exit_code=None if late else code)
    for one in WHERE
    for two in WHERE
    if one != two
    for other in (LIST, SET_UP)
    for late, code in ((False, 0), (False, 1), (True, 0))
]
POOL += [replace(run, damage="3 bytes") for run in POOL if run is not None]
RUNS = st.sampled_from(POOL)
STEPS = st.sampled_from([None, DONE, DONE, LATE, *(Step(exit_code=code) for code in (1, 2, 3, 4, None))])
GUESTS = st.sampled_from([frozenset[Run](), *(frozenset({run}) for run in Run), frozenset(Run)])
FACTS = st.builds(
    BuildFacts,
    attempt=st.integers(1, 3),
    attempts=st.just(3),
    cancelled=st.sampled_from(["", "", "", "newer patch set"]),
    node_lost=st.sampled_from(["", "", "", "gone"]),
    broken=st.sampled_from(["", "", "", "bug"]),
    tree=STEPS,
    nova=STEPS,
    nova_again=STEPS,
    nova_tip=STEPS,
    tried_agrees=st.sampled_from([True, True, False, None]),
    tree_agrees=st.sampled_from([True, True, False, None]),
    tip_agrees=st.sampled_from([True, True, False, None]),
    first=RUNS,
    again=RUNS,
    tip=RUNS,
    host_seen=st.booleans(),
    guest_seen=GUESTS,
    collect=STEPS,
)
#: facts near those that vote, so that both votes are reached often
NEAR = st.sampled_from([GOOD, BAD, DEAD]).flatmap(
    lambda base: st.fixed_dictionaries(
        {},
        optional={
            "tree_agrees": st.sampled_from([True, False, None]),
            "tip_agrees": st.sampled_from([True, False, None]),
            "first": RUNS,
            "again": RUNS,
            "tip": RUNS,
            "nova": STEPS,
            "nova_again": STEPS,
            "nova_tip": STEPS,
            "tried_agrees": st.sampled_from([True, False, None]),
            "collect": STEPS,
            "host_seen": st.booleans(),
            "guest_seen": GUESTS,
            "node_lost": st.sampled_from(["", "gone"]),
        },
    ).map(lambda other: replace(base, **other))  # type: ignore[arg-type]
)


@given(FACTS | NEAR)
def test_whatever_happens_a_vote_needs_its_proofs(facts: BuildFacts) -> None:
    verdict = judge(facts)
    assert verdict.reasons
    if verdict.vote is None:
        return
    assert facts.cancelled + facts.node_lost + facts.broken == ""
    assert facts.tree_agrees is not False
    assert facts.nova is not None
    ran = (facts.first, facts.again, facts.tip) if facts.nova.is_good else (facts.tip,)
    if verdict.vote == 1:
        ran = (facts.first,)
    assert not any(run.damage for run in ran if run is not None)
    assert facts.host_seen
    assert facts.guest_seen
    assert facts.collect is not None
    assert facts.collect.is_good
    assert facts.nova is not None
    assert not facts.nova.timed_out
    assert facts.nova.exit_code == NOVA_ENDED or (facts.first is not None and not facts.first.timed_out)
    if verdict.vote == 1:
        first = facts.first
        assert first is not None
        assert facts.tree_agrees is True
        assert first.executed > 0
        assert first.failed | first.unfinished == frozenset()
        assert unexplained(first) == []
    else:
        if not facts.nova.is_good:
            assert facts.nova_again is not None
            assert facts.nova_again.has_ended
            assert facts.tried_agrees
        assert facts.nova_tip is not None
        assert facts.nova_tip.is_good
        assert facts.tip_agrees is True
        assert facts.tip is not None
        assert facts.tip.passed
        assert not facts.tip.timed_out


@given(FACTS | NEAR)
def test_our_own_fault_never_votes_and_ends_after_all_attempts(facts: BuildFacts) -> None:
    verdict = judge(facts)
    if verdict.fault in (Fault.INFRA, Fault.UNKNOWN):
        assert verdict.vote is None
    if facts.attempt >= facts.attempts:
        assert not verdict.retry
        assert verdict.fault is not Fault.INFRA or verdict.result is Result.RETRY_LIMIT


def test_results_are_sorted_by_how_they_ended() -> None:
    def result(name: str, status: TestStatus) -> TestResult:
        return TestResult(id=name, status=status, started_at=None, finished_at=None)

    facts = run_facts(
        [
            result("a", TestStatus.SUCCESS),
            result("b", TestStatus.FAIL),
            result("c", TestStatus.SKIP),
            result("d", TestStatus.INPROGRESS),
            result("e", TestStatus.XFAIL),
            result("f", TestStatus.UXSUCCESS),
            result("g", TestStatus.INPROGRESS),
            result("g", TestStatus.SUCCESS),
        ],
        ["h"],
    )
    assert facts.passed == {"a", "e", "g"}
    assert facts.failed == {"b", "f"}
    assert facts.skipped == {"c"}
    assert facts.unfinished == {"d"}
    assert facts.never_started == {"h"}


@pytest.mark.parametrize(
    ("test", "again", "tip", "expected"),
    [
        (BOOT, failed(BOOT), passed(BOOT), Blame.CHANGE),
        (BOOT, failed(SET_UP), passed(BOOT), Blame.CHANGE),
        (BOOT, failed(BOOT), failed(SET_UP), Blame.TIP_TOO),
        (SET_UP, failed(SET_UP), failed(SET_UP), Blame.TIP_TOO),
        (SET_UP, failed(SET_UP), failed(BOOT), Blame.CHANGE),
        (SET_UP, passed(BOOT), None, Blame.FLAKY),
        (SET_UP, failed(SET_UP), passed(LIST), Blame.UNPROVED),
        (SET_UP, failed(SET_UP), RunFacts(skipped=frozenset({SET_UP})), Blame.UNPROVED),
        (TEAR_DOWN, failed(TEAR_DOWN), passed(BOOT), Blame.CHANGE),
        (
            TEAR_DOWN,
            failed(TEAR_DOWN),
            RunFacts(passed=frozenset({BOOT}), unfinished=frozenset({TEAR_DOWN})),
            Blame.UNPROVED,
        ),
        (BOOT, None, passed(BOOT), Blame.UNPROVED),
        (BOOT, failed(BOOT), RunFacts(unfinished=frozenset({BOOT})), Blame.UNPROVED),
    ],
)
def test_blame_follows_what_the_other_runs_say(test: str, again: RunFacts, tip: RunFacts, expected: Blame) -> None:
    assert blame(test, again, tip) is expected


def test_tests_of_a_class_that_failed_or_skipped_as_a_whole_are_accounted_for() -> None:
    never = frozenset({BOOT, "other.Class.test_x"})
    assert unexplained(RunFacts(failed=frozenset({SET_UP}), never_started=never)) == ["other.Class.test_x"]
    assert unexplained(RunFacts(skipped=frozenset({SET_UP}), never_started=never)) == ["other.Class.test_x"]


@pytest.mark.parametrize(
    ("test", "name"),
    [
        (BOOT, f"{BOOT_CLASS}.test_boot"),
        (SET_UP, BOOT_CLASS),
        (f"tearDownClass ({BOOT_CLASS})", BOOT_CLASS),
        ("unittest.loader._FailedTest.tempest.api.nope", "tempest.api.nope"),
    ],
)
def test_a_failed_test_is_run_again_by_its_dotted_name(test: str, name: str) -> None:
    assert runnable(test) == name


def test_what_failed_runs_again_alone_then_on_the_tip_then_nothing() -> None:
    boot = f"{BOOT_CLASS}.test_boot"
    first = replace(BAD, again=None, nova_tip=None, tip=None)
    assert next_run(first) == Repeat(run=Run.AGAIN, tests=(boot,))
    assert next_run(replace(first, again=failed(BOOT))) == Repeat(run=Run.TIP, tests=(boot,))
    assert next_run(replace(first, again=replace(failed(BOOT), damage="3 bytes"))) is None
    assert next_run(replace(first, first=replace(failed(BOOT), damage="3 bytes"))) is None
    assert next_run(BAD) is None
    assert next_run(replace(first, again=passed(BOOT))) is None
    assert next_run(GOOD) is None


def test_the_tip_boots_a_guest_where_the_change_let_none_start() -> None:
    facts = replace(BAD, first=failed(LIST), again=failed(LIST), nova_tip=None, tip=None, guest_seen=frozenset())
    found = next_run(facts, (BOOT_CLASS,))
    assert found is not None
    assert found.tests == ("tempest.api.compute.test_list.ListTest.test_list", BOOT_CLASS)
    assert next_run(replace(facts, first=failed(SET_UP), again=failed(SET_UP)), (BOOT_CLASS,)) == Repeat(
        run=Run.TIP, tests=(BOOT_CLASS,)
    )


def test_nova_that_does_not_start_is_started_once_more_before_the_tip_is_asked() -> None:
    once = replace(DEAD, nova_again=None, nova_tip=None, tip=None)
    assert next_run(once, (BOOT_CLASS,)) == Repeat(run=Run.AGAIN, tests=())
    assert next_run(replace(once, nova_again=DONE), (BOOT_CLASS,)) is None
    assert next_run(replace(once, nova_again=LATE), (BOOT_CLASS,)) is None
    assert next_run(replace(once, tried_agrees=False), (BOOT_CLASS,)) is None
    assert next_run(replace(once, tried_agrees=None), (BOOT_CLASS,)) is None
    assert next_run(once) is None, "without a test that boots a guest the tip could prove nothing"


def test_the_tip_is_asked_when_nova_does_not_start_and_only_then() -> None:
    dead = replace(DEAD, nova_tip=None, tip=None)
    assert next_run(dead, (BOOT_CLASS,)) == Repeat(run=Run.TIP, tests=(BOOT_CLASS,))
    assert next_run(DEAD, (BOOT_CLASS,)) is None
    assert next_run(replace(dead, nova=LATE), (BOOT_CLASS,)) is None
    assert next_run(replace(dead, nova=Step(exit_code=3)), (BOOT_CLASS,)) is None
    assert next_run(replace(dead, node_lost="gone"), (BOOT_CLASS,)) is None


def test_of_many_failures_only_some_are_repeated_from_as_many_classes_as_possible() -> None:
    many = {f"a.Big.test_{i:03}" for i in range(100)} | {f"b.Small{i}.test_x" for i in range(5)}
    chosen = names(frozenset(many))
    assert len(chosen) == MOST_REPEATED
    assert {f"b.Small{i}.test_x" for i in range(5)} < set(chosen)


@given(FACTS | NEAR)
def test_a_verdict_is_reached_after_a_bounded_number_of_runs(facts: BuildFacts) -> None:
    """Each run that is asked for is one that did not happen yet, so the asking ends."""
    found = next_run(facts, (BOOT_CLASS,))
    if found is not None:
        assert found.tests or (found.run is Run.AGAIN and facts.nova_again is None)
        assert found.run is Run.TIP or facts.again is None or not found.tests
        assert found.run is Run.AGAIN or (facts.tip is None or facts.nova_tip is None)
