"""Why a build waits, by table."""

import pytest

from xenci.rules.known import Elsewhere, known_or_new, worst_first
from xenci.rules.proof import Blame
from xenci.rules.waiting import LabelNodes, why_waits


@pytest.mark.parametrize(
    ("nodes", "before", "why"),
    [
        (LabelNodes(ready=1, most=4), 0, "A node of xen is ready: it starts in a moment."),
        (LabelNodes(ready=1, coming=1, most=4), 1, "A node of xen is being made for it."),
        (LabelNodes(ready=1, coming=1, most=4), 2, "No node of xen is ready; 2 builds are before it."),
        (LabelNodes(in_use=4, most=4), 0, "All 4 nodes of xen are in use; it is the next."),
        (LabelNodes(in_use=4, most=4), 1, "All 4 nodes of xen are in use; 1 build is before it."),
        (LabelNodes(in_use=1, most=4), 0, "No node of xen is ready; it is the next."),
        (
            LabelNodes(in_use=3, held=1, most=4),
            0,
            "All 4 nodes of xen are in use, 1 of them held for people; it is the next.",
        ),
    ],
)
def test_a_build_waits_for_what_its_place_and_its_nodes_say(nodes: LabelNodes, before: int, why: str) -> None:
    assert why_waits("xen", nodes, before) == why
    assert "disk" in why_waits("xen", nodes, before, is_disk_short=True)


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (None, ""),
        (Elsewhere(), ""),
        (Elsewhere(failed=1, passed=9), "known: failed with 1 other change in 7 days"),
        (Elsewhere(passed=2), "new: passed with 2 other changes in 7 days"),
    ],
)
def test_a_failing_test_is_known_new_or_neither(seen: Elsewhere | None, words: str) -> None:
    assert known_or_new(seen) == words


def test_blame_comes_before_news() -> None:
    ranked = [("a", Blame.CHANGE), ("b", Blame.CHANGE), ("c", Blame.TIP_TOO), ("d", Blame.TIP_TOO)]
    seen = {"a": Elsewhere(failed=1), "c": Elsewhere(failed=3), "d": Elsewhere(passed=1)}
    assert [test for test, _ in worst_first(ranked, seen)] == ["b", "a", "d", "c"]
    assert worst_first([], {}) == []
