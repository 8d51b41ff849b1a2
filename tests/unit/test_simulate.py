"""A simulated world keeps what the real one must keep, whatever the traffic; and its figures by hand."""

import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.unit.simulated import BOOT, RUN, comment, endings, event, world
from xenci.cli.main import app
from xenci.config.load import load
from xenci.model.node import NodeState
from xenci.simulate.compare import compare
from xenci.simulate.engine import Outcome, World, simulate
from xenci.simulate.figures import figures
from xenci.simulate.installation import Installation, Scenario, assumed, of_settings
from xenci.simulate.runs import Ending
from xenci.simulate.stream import read
from xenci.simulate.traffic import BEGINS, Assumptions, generate

CONFIG = Path(__file__).parents[2] / "configs" / "opendev.yaml"


def took(outcome: Outcome) -> list[float]:
    """Minutes from the asking to the report."""
    ended = [(one.asked_at, one.ended_at) for one in outcome.buildsets if one.ended_at is not None]
    return [(ends - begins) / timedelta(minutes=1) for begins, ends in ended]


def test_a_ready_node_serves_at_once_and_the_next_change_waits_for_a_launch() -> None:
    outcome = world(event(0), event(0, change=2))
    assert endings(outcome) == ["reported", "reported"]
    assert took(outcome) == [60, 70]


def test_documentation_is_not_run_and_another_cis_comment_asks_for_nothing() -> None:
    docs = event(0, files=["doc/source/index.rst"])
    assert world(docs, event(1, change=2), comment(5, "recheck", by="zuul", change=2)).buildsets[0].patchset.change == 2
    assert len(world(docs, event(1, change=2), comment(5, "recheck", by="zuul", change=2)).buildsets) == 1


def test_a_recheck_runs_again_also_where_the_event_tells_no_files() -> None:
    outcome = world(event(0), comment(90, "recheck", files=[]))
    assert endings(outcome) == ["reported", "reported"]
    assert [one.is_recheck for one in outcome.buildsets] == [False, True]


def test_a_new_patch_set_frees_the_node_of_the_one_before() -> None:
    outcome = world(event(0), event(20, patchset=2), nodes=1)
    assert endings(outcome) == ["withdrawn", "reported"]
    first = next(life for life in outcome.lives if life.build == 1)
    assert first.ended_at == BEGINS + timedelta(minutes=21), "a minute of deletion"
    assert took(outcome)[1] == 10 + 60, "the node before does not count against the label while it is deleted"


def test_a_change_that_is_closed_is_ended_and_a_recheck_of_it_starts_nothing() -> None:
    outcome = world(event(0), event(5, "change-merged", status="MERGED"), comment(9, "recheck", status="MERGED"))
    assert endings(outcome) == ["withdrawn"]


def test_a_new_commit_message_takes_the_verdict_over_without_a_node() -> None:
    outcome = world(event(0), event(100, patchset=2, of_kind="NO_CODE_CHANGE"))
    assert endings(outcome) == ["reported", "copied"]
    assert figures(outcome, {}).reported == 1
    outcome = world(event(0), event(30, patchset=2, of_kind="NO_CODE_CHANGE"))
    assert endings(outcome) == ["withdrawn", "reported"], "there was no verdict yet"


def test_failed_launches_close_a_cloud_for_a_while_and_all_is_answered_all_the_same() -> None:
    outcome = world(*(event(0, change=number) for number in range(1, 9)), failures=0.9, seed=3)
    assert set(endings(outcome)) == {"reported"}
    assert outcome.failed_launches > 8
    assert figures(outcome, {}).failed_launches == outcome.failed_launches


def test_figures_by_hand() -> None:
    there = assumed(quotas=(1,), min_ready=0, price=0.5)
    outcome = world(event(0), event(0, change=2), there=there, nodes=1)
    found = figures(outcome, there.prices)
    # one server at a time: boot 10, run 60, deletion 1, boot 10, run 60
    assert (found.median, found.worst, found.wait_p95) == (70, 141, 81)
    assert (found.within_limit, found.is_enough, found.most_nodes) == (1, True, 1)
    assert found.node_hours == round(141 / 60, 1)
    assert found.utilisation == round(120 / 141, 4)
    assert found.cost == round(0.5 * 141 / 60, 2)
    assert figures(outcome, {}).cost is None


def test_the_least_number_of_nodes_is_the_first_that_keeps_the_promise() -> None:
    lines = [event(0, change=number) for number in range(1, 21)]
    scenario = Scenario(nodes=9, boot=BOOT, run=RUN, failures=0.0)
    found = compare(read(lines), assumed(min_ready=0), scenario, range(8, 10))
    assert [row.nodes for row in found.rows] == [8, 9]
    assert found.least is not None
    worlds = {n: figures(simulate(read(lines).events, assumed(min_ready=0), replace(scenario, nodes=n)), {}) for n in
              range(1, found.least.nodes + 1)}  # fmt: skip
    assert [n for n, one in worlds.items() if one.is_enough] == [found.least.nodes]
    none = compare(read(lines), assumed(quotas=(1,), min_ready=0), replace(scenario, nodes=1), [1])
    assert (none.least, none.tried_up_to) == (None, 1)


def shares(there: Installation) -> Counter[str]:
    """Servers of each cloud while forty changes come, one a minute, none of which fails."""
    lines = [event(number, change=number + 1) for number in range(40)]
    outcome = world(*lines, there=there, nodes=10)
    return Counter(life.provider for life in outcome.lives)


def with_supplies(there: Installation, *changes: dict[str, Any]) -> Installation:
    supplies = [replace(supply, **change) for supply, change in zip(there.supplies, changes, strict=True)]
    return replace(there, supplies=tuple(supplies))


def test_weights_shares_and_a_drained_cloud_count_as_in_the_real_pool() -> None:
    there = assumed(quotas=(10, 10), min_ready=0)
    even, heavy = shares(there), shares(with_supplies(there, {"weight": 4.0}, {}))
    assert even["cloud-1"] == even["cloud-2"] == 20
    assert heavy["cloud-1"] > heavy["cloud-2"] > 0
    assured = shares(with_supplies(there, {"weight": 4.0}, {"least_share": 0.4}))
    assert heavy["cloud-2"] < 15 <= assured["cloud-2"]
    drained = with_supplies(there, {"drained": "by somebody"}, {})
    assert shares(drained) == {"cloud-2": 40}
    assert drained.room == 10


def test_a_configuration_gives_its_clouds_weights_and_shares() -> None:
    loaded = load(CONFIG)
    told = [(one.name, one.weight, one.least_share, one.capacity) for one in of_settings(loaded).supplies]
    assert told == [(one.name, one.weight, one.least_share, one.max_servers) for one in loaded.providers]
    assert {one.least_share for one in loaded.providers} != {0.0}, "the example has a share to pass on"


ASSUMED = st.builds(
    Assumptions,
    seed=st.integers(0, 10_000),
    days=st.just(1),
    pushes_per_weekday=st.floats(1, 15),
    mean_series=st.floats(1.1, 6),
    rechecks_per_patchset=st.floats(0, 1),
    closed_per_weekday=st.floats(0, 10),
)


@settings(max_examples=20)
@given(ASSUMED, st.integers(1, 5), st.lists(st.integers(1, 4), min_size=1, max_size=2), st.floats(0, 0.6))
def test_whatever_comes_no_rule_is_broken_and_everybody_is_answered_or_superseded(
    assumptions: Assumptions, nodes: int, quotas: list[int], failures: float
) -> None:
    lines = list(generate(assumptions))
    if len(lines) == 1:
        return
    traffic, there = read(lines), assumed(quotas=quotas, min_ready=2)
    scenario = Scenario(nodes=nodes, failures=failures, seed=assumptions.seed)

    def watch(now: World) -> None:
        live = now.nodes.live.values()
        on = [build.node for build in now.running.values()]
        assert len(on) == len(set(on)), "nobody runs on a node of another"
        assert sorted(on) == sorted(node.id for node in live if node.state is NodeState.IN_USE)
        assert sum(1 for node in live if node.state is not NodeState.DELETING) <= nodes
        used = Counter(node.provider for node in live)
        assert all(used[supply.name] <= supply.capacity for supply in there.supplies)
        assert not any(build.ended_at for build in (*now.running.values(), *now.waiting.values()))

    outcome = simulate(traffic.events, there, scenario, watch)
    assert all(one.ending is not None for one in outcome.buildsets)
    served = [life.build for life in outcome.lives if life.build is not None]
    assert len(served) == len(set(served)), "a node serves one build, and a build has one node"
    newest = Counter[int]()
    for heard in traffic.events:
        assert heard.patchset is not None
        newest[heard.patchset.change] = max(newest[heard.patchset.change], heard.patchset.number)
    superseded = [one for one in outcome.buildsets if one.patchset.number < newest[one.patchset.change]]
    assert all(one.ending is not None for one in superseded)
    reported = [one for one in outcome.buildsets if one.ending is Ending.REPORTED]
    assert all(build.ended_at == one.ended_at for one in reported for build in one.builds)


def test_the_command_line_simulates_what_it_generated(tmp_path: Path) -> None:
    def call(*words: str) -> str:
        told = CliRunner().invoke(app, ["simulate", *words])
        assert told.exit_code == 0, told.output
        return told.stdout

    week = tmp_path / "week.jsonl"
    few = ("--seed", "5", "--scale", "0.05")
    call("generate", *few, "--output", str(week))
    by_file = json.loads(call("--events", str(week), "--seed", "5", "--nodes", "2..3", "--json"))
    assert by_file == json.loads(call(*few, "--nodes", "2..3", "--json"))
    assert [row["nodes"] for row in by_file["rows"]] == [2, 3]
    assert by_file["rows"][0]["cost"] is None
    configured = json.loads(call(*few, "--nodes", "2", "--config", str(CONFIG), "--json"))
    assert configured["least_shares"] == {one.name: one.least_share for one in load(CONFIG).providers}
    words = call(*few, "--nodes", "3", "--price", "0.5")
    assert "every rate is an assumption, none was measured" in words
    assert "nodes are enough" in words
    assert "no price" not in words
