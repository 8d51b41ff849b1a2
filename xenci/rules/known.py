"""Tells whether a failing test is known: whether it failed with other changes lately too, or never did."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from xenci.rules.proof import Blame

#: how far back is looked
SPAN = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """How a test ended with other changes within SPAN, in the first run; counted by change."""

    failed: int = 0
    passed: int = 0


def known_or_new(seen: Elsewhere | None) -> str:
    """Return a few words, or nothing where no other change has run the test."""
    if seen is None or not (seen.failed or seen.passed):
        return ""
    if seen.failed:
        return f"known: failed with {_changes(seen.failed)} in {SPAN.days} days"
    return f"new: passed with {_changes(seen.passed)} in {SPAN.days} days"


def worst_first(ranked: Sequence[tuple[str, Blame]], seen: dict[str, Elsewhere]) -> list[tuple[str, Blame]]:
    """Sort tests that are equally to blame: new ones first, then those that nobody else ran, then known ones."""
    order = {blame: place for place, (_, blame) in reversed(list(enumerate(ranked)))}
    return sorted(ranked, key=lambda pair: (order[pair[1]], _rank(seen.get(pair[0]))))


def _rank(seen: Elsewhere | None) -> int:
    if seen is None or not (seen.failed or seen.passed):
        return 1
    return 2 if seen.failed else 0


def _changes(number: int) -> str:
    return f"{number} other change{'' if number == 1 else 's'}"
