"""Nova that does not start from a change: it is tried twice, and only the tip's start makes it the change's."""

import json
from typing import Any

import pytest

from tests.flows.node import ATTEMPT, ScriptedNode, go_on, scripted, tell_proof
from tests.flows.world import World

TREE = "3" * 40


def ends(world: World, node: ScriptedNode, run: str, code: int, **told: Any) -> None:
    """Have a start of Nova end with a code, and leave word of what it was made of."""

    def begin() -> None:
        world.later(seconds=1)
        attempt = {"commit": TREE, "changed_files": [], "checked_out_at": world.now.timestamp()} | told
        node.files[ATTEMPT] = json.dumps(attempt).encode()

    node.ends[f"nova-{run}"], node.begins[f"nova-{run}"] = code, begin


def test_fails_fails_and_the_tip_starts_is_the_changes(world: World) -> None:
    build, node = scripted(world)
    for run in ("first", "again"):
        ends(world, node, run, 1)
    row = go_on(world, build)
    starts = ["nova-first", "nova-again", "nova-tip", "tempest-tip", "collect-first"]
    assert node.started == starts
    assert (row.result, row.fault) == ("FAILURE", "change")
    assert "It was started twice." in row.reasons
    assert row.proof is not None
    assert row.proof["tried_first"]["commit"] == row.proof["tried_again"]["commit"] == TREE
    assert [report.vote for report in world.reports()] == [-1]


def test_nova_that_starts_the_second_time_says_nothing_of_the_change(world: World) -> None:
    build, node = scripted(world)
    ends(world, node, "first", 1)
    node.ends["nova-again"], node.begins["nova-again"] = 0, lambda: tell_proof(world, node, "3")
    row = go_on(world, build)
    assert node.started == ["nova-first", "nova-again", "collect-first"]
    assert (row.result, row.fault) == ("FAILURE", "unknown")
    assert [one.attempt for one in row.buildset.builds] == [1, 2]
    assert world.reports() == []


@pytest.mark.parametrize(
    "told",
    [{"commit": "5" * 40}, {"changed_files": ["M nova/x.py"]}, {"checked_out_at": None}],
    ids=["another tree", "changed files", "no word when"],
)
def test_a_start_of_which_the_tree_is_not_known_is_ours(world: World, told: dict[str, Any]) -> None:
    build, node = scripted(world)
    for run in ("first", "again"):
        ends(world, node, run, 1, **told)
    row = go_on(world, build)
    assert node.started == ["nova-first", "collect-first"]
    assert (row.result, row.fault) == ("ERROR", "infra")
    assert world.reports() == []


def test_what_the_first_start_left_behind_is_no_word_of_the_second(world: World) -> None:
    """A start that ends before it touches anything has exit code 1 too, where Python itself cannot begin."""
    build, node = scripted(world)
    ends(world, node, "first", 1)
    node.ends["nova-again"] = 1
    row = go_on(world, build)
    assert node.started == ["nova-first", "nova-again", "collect-first"]
    assert (row.result, row.fault) == ("ERROR", "infra")


def test_a_start_without_any_word_is_ours(world: World) -> None:
    build, node = scripted(world)
    node.ends["nova-first"], node.begins["nova-first"] = 1, lambda: None
    row = go_on(world, build)
    assert (row.result, row.fault) == ("ERROR", "infra")
    assert row.proof is not None
    assert "missing" in row.proof["tried_first"]
