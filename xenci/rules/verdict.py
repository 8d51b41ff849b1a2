"""Judges a build: what its result is, whose fault, and why, in sentences for people.

A -1 is said only of a failure that is the change's, shown on one node: the failed test fails, fails again alone, and
passes on the branch's tip with the same carry; or Nova does not start, does not start again, and starts from the tip.
Whatever leaves a doubt has no vote: a deadline that passed, a tree that is not the one pushed, a guest that nobody saw
on Xen, a run that did nothing. Our own fault is tried again; if it lasts over all attempts the result is RETRY_LIMIT.
"""

from collections.abc import Iterable
from dataclasses import replace

from xenci.model.build import Run
from xenci.model.outcome import Fault, Result, Verdict
from xenci.rules.build_facts import NOVA_LATE, BuildFacts, Step
from xenci.rules.proof import Blame, RunFacts, blame, unexplained

#: attempts at a build whose failure cannot be told to be anybody's
UNKNOWN_ATTEMPTS = 2
#: names of tests told in one reason
_NAMED = 5


def judge(facts: BuildFacts) -> Verdict:
    """Return the verdict on a build that has ended."""
    verdict = _ended_early(facts) or _nova(facts) or _tempest(facts)
    return _with_attempts(verdict, facts)


def _ended_early(facts: BuildFacts) -> Verdict | None:
    if facts.cancelled:
        return Verdict(result=Result.ABORTED, fault=Fault.NONE, reasons=(_sentence(facts.cancelled),))
    if facts.node_lost:
        return _ours(Result.NODE_FAILURE, facts.node_lost)
    if facts.broken:
        return _ours(Result.ERROR, facts.broken)
    if facts.tree is None or not facts.tree.is_good:
        if facts.tree is not None and facts.tree.timed_out:
            return _ours(Result.TIMED_OUT, "Pushing the tree onto the node passed its deadline")
        return _ours(Result.ERROR, "The tree could not be pushed onto the node", _detail(facts.tree))
    if facts.tree_agrees is False:
        return _ours(Result.ERROR, "Nova ran from another tree than the one that was pushed: nothing was proved")
    return None


def _nova(facts: BuildFacts) -> Verdict | None:
    """Judge the start of Nova from the change; None if it started and its tree is proved."""
    nova = facts.nova
    if nova is None:
        return _ours(Result.ERROR, "Nova was never started")
    if nova.timed_out or nova.exit_code == NOVA_LATE:
        return _unknown(Result.TIMED_OUT, "Nova did not start from the change before its deadline", _detail(nova))
    if nova.exit_code is None:
        return _ours(Result.ERROR, "The start of Nova left no exit code", _detail(nova))
    if nova.has_ended:
        return _nova_did_not_start(facts, nova)
    if nova.exit_code != 0:
        return _ours(Result.ERROR, f"Nova could not be started (exit code {nova.exit_code})", _detail(nova))
    if facts.tree_agrees is None:
        return _ours(Result.ERROR, "Nova left no proof of the tree that it runs from")
    return None


def _nova_did_not_start(facts: BuildFacts, nova: Step) -> Verdict:
    said = "Nova does not start from the change"
    if doubt := _doubt_about_starts(facts):
        return replace(doubt, reasons=_sentences("Nova did not start from the change", _detail(nova), *doubt.reasons))
    if doubt := _doubt_about_tip(facts):
        return replace(doubt, reasons=_sentences(said, _detail(nova), *doubt.reasons))
    tip = facts.tip
    if tip is None or not tip.passed or tip.failed or tip.unfinished:
        return _unknown(
            Result.FAILURE, said, _detail(nova), "The tip starts on the same node, but its own tests do not pass there"
        )
    on_tip = "The tip of the branch, with the same carried commits, starts on the same node and boots a guest"
    reasons = _sentences(said, _detail(nova), "It was started twice", on_tip)
    return _lacks_proof(facts, facts.guest_seen) or Verdict(result=Result.FAILURE, fault=Fault.CHANGE, reasons=reasons)


def _doubt_about_starts(facts: BuildFacts) -> Verdict | None:
    """Return why the starts of the change's Nova that failed prove nothing, or None if they do."""
    if facts.tried_agrees is False:
        return _ours(Result.ERROR, "It was another tree than the one that was pushed, so nothing was proved")
    if facts.tried_agrees is None:
        return _ours(Result.ERROR, "The start left no word of the tree that it was made of, so nothing was proved")
    again = facts.nova_again
    if again is None:
        return _unknown(Result.FAILURE, "It was not started a second time")
    if again.timed_out or again.exit_code == NOVA_LATE:
        return _unknown(Result.TIMED_OUT, "The second start passed its deadline")
    if again.is_good:
        return _unknown(Result.FAILURE, "It did when it was started once more")
    if not again.has_ended:
        code = "no exit code" if again.exit_code is None else f"exit code {again.exit_code}"
        return _ours(Result.ERROR, f"It could not be started a second time ({code})", _detail(again))
    return None


def _tempest(facts: BuildFacts) -> Verdict:
    first = facts.first
    if first is None:
        return _ours(Result.ERROR, "Tempest was never started")
    if first.timed_out:
        return _unknown(Result.TIMED_OUT, "Tempest passed its deadline", *_hanging(first))
    for run, name in ((first, ""), (facts.again, " of the second run")):
        if run is not None and run.damage and not run.timed_out:
            return _damaged(run, name)
    if first.failed:
        return _failed(facts, first)
    if first.unfinished:
        return _unknown(Result.FAILURE, "Tempest ended in the middle of a test", *_hanging(first))
    if first.executed == 0:
        return _ours(Result.ERROR, f"No test was executed ({len(first.skipped)} skipped)")
    if first.exit_code is None:
        return _ours(Result.ERROR, "Tempest left no exit code: the run was cut")
    if missing := unexplained(first):
        return _ours(Result.ERROR, f"{_tests(len(missing))} never started: {_names(missing)}")
    if first.exit_code != 0:
        return _ours(Result.ERROR, f"Tempest ended with exit code {first.exit_code} though no test failed")
    passed = f"{_tests(len(first.passed))} passed, {len(first.skipped)} skipped"
    return _lacks_proof(facts, facts.guest_seen & {Run.FIRST, Run.AGAIN}) or Verdict(
        result=Result.SUCCESS, fault=Fault.NONE, reasons=_sentences(passed)
    )


def _failed(facts: BuildFacts, first: RunFacts) -> Verdict:
    """Judge a first run with failed tests by what became of them alone and on the tip."""
    for run, name in ((facts.again, "alone"), (facts.tip, "on the tip")):
        if run is not None and run.timed_out:
            said = f"The run of the failed tests {name} passed its deadline"
            return _unknown(Result.TIMED_OUT, said, *_hanging(run), *_blamed(facts, first)[1])
    found, told = _blamed(facts, first)
    doubt = _doubt_about_tip(facts)
    if doubt is not None and (facts.nova_tip is not None or Blame.CHANGE in found):
        return replace(doubt, reasons=(*doubt.reasons, *_sentences(*told)))
    if found.get(Blame.CHANGE):
        return _lacks_proof(facts, facts.guest_seen) or Verdict(
            result=Result.FAILURE, fault=Fault.CHANGE, reasons=_sentences(*told)
        )
    is_standing = set(found) == {Blame.TIP_TOO} and facts.tip is not None and bool(facts.tip.passed)
    return _unknown(Result.FAILURE, *told, retry=not is_standing)


def _blamed(facts: BuildFacts, first: RunFacts) -> tuple[dict[Blame, list[str]], list[str]]:
    """Sort the failed tests by blame, and tell of each group."""
    found: dict[Blame, list[str]] = {}
    for test in sorted(first.failed):
        found.setdefault(blame(test, facts.again, facts.tip), []).append(test)
    words = {
        Blame.CHANGE: "{} with this change, again when run alone, and not on the tip of the branch on the same node",
        Blame.TIP_TOO: "{} on the tip of the branch too, so this is not the change's",
        Blame.FLAKY: "{} once, but not when run again alone",
        Blame.UNPROVED: "{}, and no second run tells why",
    }
    told = []
    for kind, text in words.items():
        if tests := found.get(kind):
            verb = "fails" if len(tests) == 1 else "fail"
            told.append(f"{_tests(len(tests))} {text.format(verb)}: {_names(tests)}")
    return found, [*told, *_hanging(first)]


def _doubt_about_tip(facts: BuildFacts) -> Verdict | None:
    """Return why the run on the tip proves nothing, or None if it can."""
    tip = facts.nova_tip
    if tip is None:
        return _unknown(Result.FAILURE, "Nova was not started from the tip of the branch to compare")
    if tip.timed_out or tip.exit_code == NOVA_LATE:
        return _unknown(Result.TIMED_OUT, "Nova did not start from the tip of the branch before its deadline")
    if not tip.is_good:
        return _unknown(Result.FAILURE, "Nova does not start from the tip of the branch either", _detail(tip))
    if not facts.tip_agrees:
        return _ours(Result.ERROR, "For the comparison Nova did not run from the tip of the branch: nothing was proved")
    if facts.tip is not None and facts.tip.timed_out:
        return _unknown(Result.TIMED_OUT, "The run on the tip of the branch passed its deadline", *_hanging(facts.tip))
    if facts.tip is not None and facts.tip.damage:
        return _damaged(facts.tip, " of the run on the tip")
    return None


def _lacks_proof(facts: BuildFacts, guests: Iterable[Run]) -> Verdict | None:
    """Return what forbids a vote on an otherwise clear result: no evidence of Xen, or no logs."""
    if facts.collect is None or not facts.collect.is_good:
        return _ours(Result.POST_FAILURE, "The logs could not be collected", _detail(facts.collect))
    if not facts.needs_xen:
        return None
    if not facts.host_seen:
        return _ours(Result.POST_FAILURE, "There is no evidence that the node was a Xen host")
    if not set(guests):
        return _ours(Result.POST_FAILURE, "No guest of this run was seen on Xen, so nothing is proved")
    return None


def _with_attempts(verdict: Verdict, facts: BuildFacts) -> Verdict:
    """Say whether there is another attempt, and make RETRY_LIMIT of the last one that ended by our fault."""
    if not verdict.retry:
        return verdict
    if verdict.fault is Fault.UNKNOWN:
        return replace(verdict, retry=facts.attempt < min(facts.attempts, UNKNOWN_ATTEMPTS))
    if facts.attempt < facts.attempts:
        return verdict
    last = f"All {facts.attempts} attempts ended by our own fault" if facts.attempts > 1 else "The only attempt failed"
    return Verdict(result=Result.RETRY_LIMIT, fault=Fault.INFRA, reasons=(_sentence(last), *verdict.reasons))


def _ours(result: Result, *said: str) -> Verdict:
    return Verdict(result=result, fault=Fault.INFRA, reasons=_sentences(*said), retry=True)


def _unknown(result: Result, *said: str, retry: bool = True) -> Verdict:
    return Verdict(result=result, fault=Fault.UNKNOWN, reasons=_sentences(*said), retry=retry)


def _damaged(run: RunFacts, name: str) -> Verdict:
    """A test whose result was lost may have failed, or not have run: what is left proves nothing."""
    return _ours(Result.ERROR, f"The stream of results{name} is damaged: {run.damage}")


def _hanging(run: RunFacts) -> list[str]:
    if not run.unfinished:
        return []
    verb = "was" if len(run.unfinished) == 1 else "were"
    return [f"{_tests(len(run.unfinished))} {verb} unfinished: {_names(sorted(run.unfinished))}"]


def _detail(step: Step | None) -> str:
    return step.detail if step is not None else ""


def _tests(count: int) -> str:
    return f"{count} test" if count == 1 else f"{count} tests"


def _names(tests: list[str]) -> str:
    more = f" and {len(tests) - _NAMED} more" if len(tests) > _NAMED else ""
    return ", ".join(tests[:_NAMED]) + more


def _sentence(text: str) -> str:
    text = text.strip()
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else text + "."


def _sentences(*said: str) -> tuple[str, ...]:
    return tuple(_sentence(text) for text in said if text)
