"""What holds of every verdict, whatever the facts are."""

from hypothesis import given

from tests.unit.verdict_samples import FACTS, NEAR
from xenci.model.outcome import Fault, Result
from xenci.rules.build_facts import NOVA_ENDED, BuildFacts
from xenci.rules.proof import unexplained
from xenci.rules.verdict import judge


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
