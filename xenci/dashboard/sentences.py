"""The sentences that open the pages and stand in their lists: what happened, whose fault, what now."""

from collections.abc import Sequence
from dataclasses import dataclass

from xenci.dashboard.formats import count, money, number
from xenci.dashboard.queries_builds import TestCounts
from xenci.dashboard.tones import state_of
from xenci.model.build import BuildsetState, BuildState, ReportState
from xenci.model.outcome import Fault, Result
from xenci.rules.cost_forecast import METHOD, Forecast
from xenci.rules.readiness import count_met
from xenci.rules.readiness_facts import CriterionState, Status
from xenci.rules.statistics import Rate
from xenci.store.tables import BuildRow, BuildsetRow, PatchsetRow

_DEFAULTS = {
    Result.SUCCESS: "Every test that was to run on Xen passed or was skipped.",
    Result.FAILURE: "Tests failed.",
    Result.TIMED_OUT: "It took longer than it may.",
    Result.NODE_FAILURE: "No Xen host could be had, or it was lost.",
    Result.POST_FAILURE: "The tests ran, but logs or evidence could not be collected.",
    Result.RETRY_LIMIT: "Every attempt ended by a fault of ours.",
    Result.ABORTED: "It was ended before its tests had.",
    Result.SKIPPED: "This change does not need this job.",
    Result.ERROR: "xenci itself failed.",
    Result.MERGE_CONFLICT: "The change does not merge with the tip of its branch.",
    Result.CARRY_CONFLICT: "The series that we carry does not apply on this change.",
    Result.DEPENDENCY_UNMET: "What the change needs cannot be tested with it.",
    Result.NOT_APPLICABLE: "There is nothing to test in this change.",
}
_FAULTS = {
    Fault.CHANGE: "Fault: the change",
    Fault.INFRA: "Fault: ours (infra), never voted",
    Fault.UNKNOWN: "Fault: unknown, never voted",
    Fault.NONE: "",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a page says first."""

    tone: str
    word: str
    sentence: str
    #: smaller, below the sentence
    small: str
    #: what the reader can do now
    now: str


def of_build(build: BuildRow, counts: TestCounts, usual: int | None) -> Opening:
    """Return the opening of a build's page; `usual` is the number of tests that its job has."""
    word, tone = state_of(build.state, build.result, build.fault)
    if build.state == BuildState.QUEUED:
        sentence = build.doing or "It waits for a Xen host."
        return Opening(tone=tone, word="Waiting", sentence=_sentence(sentence), small="", now="")
    if build.state == BuildState.RUNNING:
        doing = _sentence(build.doing) if build.doing else "Under way."
        running = _running(counts, usual)
        return Opening(tone=tone, word="Running", sentence=running or doing, small=doing if running else "", now="")
    sentence = _sentence(build.reasons[0]) if build.reasons else _DEFAULTS.get(_result(build.result), "It has ended.")
    small = " · ".join(part for part in (_FAULTS.get(_fault(build.fault), ""), said(build.buildset)) if part)
    return Opening(tone=tone, word=word, sentence=sentence, small=small, now=what_now(build.result, build.fault))


def _running(counts: TestCounts, usual: int | None) -> str:
    if not counts.ended:
        return ""
    of = f" of about {number(usual)}" if usual and usual >= counts.ended else ""
    failed = "no failure so far" if not counts.failed else f"{count(counts.failed, 'failure')} so far"
    return f"{number(counts.ended)}{of} tests have ended, {failed}."


def of_buildset(buildset: BuildsetRow) -> Opening:
    """Return the opening of a buildset's page."""
    word, tone = state_of(buildset.state, buildset.result, buildset.fault)
    if buildset.state == BuildsetState.NEW:
        sentence = "It is being prepared: merged with the tip of its branch, and the carried series put on top."
        trouble = _sentence(buildset.reasons[0]) if buildset.reasons else ""
        return Opening(tone=tone, word="Preparing", sentence=trouble or sentence, small="", now="")
    if buildset.state != BuildsetState.DONE:
        going = sum(1 for build in buildset.builds if build.state != BuildState.DONE)
        sentence = f"{count(going, 'build')} under way; nothing is said in Gerrit before all have ended."
        return Opening(tone=tone, word="Running", sentence=sentence, small="", now="")
    default = _DEFAULTS.get(_result(buildset.result), "It has ended.")
    sentence = _sentence(buildset.reasons[0]) if buildset.reasons else default
    small = " · ".join(part for part in (_FAULTS.get(_fault(buildset.fault), ""), said(buildset)) if part)
    return Opening(tone=tone, word=word, sentence=sentence, small=small, now=what_now(buildset.result, buildset.fault))


def of_readiness(states: Sequence[CriterionState]) -> Opening:
    """Return the opening of the readiness page: how many criteria of B are met, and what stands in the way."""
    met, total = count_met(list(states), "B")
    met_a, total_a = count_met(list(states), "A")
    b = [one for one in states if one.group == "B"]
    against = [one for one in b if one.status is Status.NOT_MET]
    unsure = [one for one in b if one.status in (Status.AT_RISK, Status.TOO_FEW)]
    unknown = [one for one in b if one.status is Status.CANNOT]
    sentence = f"Group B: {met} of {total} met."
    if against:
        sentence += " Not met: " + ", ".join(f"{_lower(one.title)} ({one.id})" for one in against[:3])
        sentence += f" and {len(against) - 3} more." if len(against) > 3 else "."
    elif unsure:
        few = count(len(unsure), "criterion has", "criteria have")
        sentence += f" Nothing speaks against it, but {few} too little data."
    small = f"{count(len(unknown), 'criterion', 'criteria')} of B cannot be measured yet"
    small += f", {count(len(unsure), 'is', 'are')} at risk or without enough data. Group A: {met_a} of {total_a}."
    tone = "bad" if against else "good" if met == total else "none"
    return Opening(tone=tone, word="", sentence=sentence, small=small, now="")


def of_trends(rate: Rate) -> Opening:
    """Return the opening of the trends: the pass rate, or that there is too little to speak of one."""
    counts = rate.counts
    small = f"Passed ÷ (passed + fault of the change), of {count(counts.judged, 'build')}. "
    small += "Our own faults and what could not be told never count against a change."
    if rate.share is None:
        sentence = f"Not enough data yet for a pass rate: {number(counts.judged)} of {rate.need} builds have a verdict."
        return Opening(tone="none", word="", sentence=sentence, small=small, now="")
    return Opening(
        tone="good", word="", sentence=f"{100 * rate.share:.1f} % of judged builds passed.", small=small, now=""
    )


def of_cost(told: Forecast, currency: str, *, has_price: bool) -> Opening:
    """Return the opening of the cost page: what the month is going to cost, against its share of the budget."""
    month, budget = f"{told.begins:%B}", money(told.budget, currency)
    small = f"{month} may cost {budget}: its share of the year's budget. Forecast: {METHOD}."
    if not has_price or told.spent.money is None:
        sentence = f"What the nodes cost is not known: {money(None)}."
        return Opening(tone="none", word="No price", sentence=sentence, small=small, now="")
    spent = money(told.spent.money, currency)
    if told.expected is None:
        sentence = f"{month} has cost {spent} so far; there is too little to look at for a forecast."
    else:
        sentence = f"{month} has cost {spent} so far and is going to cost about {money(told.expected, currency)}."
    tone, word = ("bad", "Over the budget") if told.is_over else ("good", "Within the budget")
    return Opening(tone=tone, word=word, sentence=sentence, small=small, now="")


def said(buildset: BuildsetRow) -> str:
    """Tell what Gerrit was told about a buildset."""
    if not buildset.reports:
        return "nothing was said in Gerrit" if buildset.result is not None else ""
    report = buildset.reports[-1]
    if report.state == ReportState.PENDING:
        return "the comment waits to be posted"
    if report.state == ReportState.DROPPED:
        return f"not posted: {report.reason or 'no longer needed'}"
    return f"voted Verified {vote(report.vote)}" if report.vote else "commented without a vote"


def vote(value: int | None) -> str:
    """`+1`, `−1` or a dash."""
    if not value:
        return "–"
    return f"+{value}" if value > 0 else f"−{-value}"


def what_now(result: str | None, fault: str | None) -> str:
    """Tell the reader what can be done."""
    match result, fault:
        case Result.SUCCESS, _:
            return ""
        case Result.FAILURE, Fault.CHANGE:
            return (
                "Mend it and upload, or comment “recheck” to run it again. The failure was seen with this patch set and"
                " not without it, so it will likely come back."
            )
        case Result.MERGE_CONFLICT, _:
            return "Rebase the change; the new patch set is run. It is tried again when the tip moves, too."
        case Result.DEPENDENCY_UNMET, _:
            return "Mend what it needs, or take the dependency away; then a new patch set, or “recheck”, is run."
        case Result.CARRY_CONFLICT, _:
            return "Nothing is asked of the author. The working group mends the carried series; “recheck” runs it then."
        case ((Result.SKIPPED | Result.NOT_APPLICABLE), _):
            return "Nothing: “recheck” would end the same way."
        case Result.ABORTED, _:
            return (
                "“recheck” runs the current patch set of an open change that is neither private nor work in progress."
            )
        case _:
            return "This says nothing about the change. Comment “recheck” to run it again."


def in_words(build: BuildRow) -> str:
    """Return one line about a build for lists: fault, reason, what was said."""
    if build.state == BuildState.QUEUED:
        return build.doing or "waits for a node"
    if build.state == BuildState.RUNNING:
        return build.doing or "under way"
    reason = _clause(build.reasons[0]) if build.reasons else _clause(_DEFAULTS.get(_result(build.result), "ended"))
    fault = f"{build.fault}: " if build.fault in (Fault.CHANGE, Fault.INFRA, Fault.UNKNOWN) else ""
    report = build.buildset.reports[-1] if build.buildset.reports else None
    voted = f"; voted {vote(report.vote)}" if report and report.vote and report.state == ReportState.POSTED else ""
    return f"{fault}{reason}{voted}"


def of_patchset(patchset: PatchsetRow) -> tuple[str, str, str]:
    """Return tone, word and sentence about a patch set: its last buildset, or why it is not run."""
    if patchset.buildsets:
        last = patchset.buildsets[-1]
        word, tone = state_of(last.state, last.result, last.fault)
        return tone, word, of_buildset(last).sentence
    if patchset.not_run:
        return "skip", "not run", _sentence(patchset.not_run)
    return "wait", "not looked at yet", "It was heard of, and no pipeline has taken it yet."


def _sentence(text: str) -> str:
    text = text.strip()[:600]
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def _clause(text: str) -> str:
    text = text.strip()[:300].removesuffix(".")
    return _lower(text)


def _result(value: str | None) -> Result:
    return Result(value) if value in set(Result) else Result.ERROR


def _fault(value: str | None) -> Fault:
    return Fault(value) if value in set(Fault) else Fault.UNKNOWN
