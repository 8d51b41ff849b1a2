"""The pool's plan: how many nodes, where, and when they are given up."""

from collections import Counter
from datetime import timedelta

from tests.unit.pool_samples import AT, MINUTE, decide, ending, need, node, supply, where
from xenci.model.node import LaunchFailure, NodeState
from xenci.rules.breaker import LIMIT, PAUSE
from xenci.rules.pool import SHARE_OF, Launch


def test_the_nodes_kept_ready_are_spread_over_both_clouds() -> None:
    assert where(decide(needs=[need(min_ready=4)])) == ["ca", "ca", "cb", "cb"]


def test_a_lone_ready_node_is_asked_of_the_clouds_in_turn() -> None:
    asked = {("ca", "xen"): AT - MINUTE, ("cb", "xen"): AT - 2 * MINUTE}
    assert where(decide(asked_at=asked)) == ["cb"]


def test_each_waiting_build_brings_a_node_beside_those_kept_ready() -> None:
    assert len(decide(needs=[need(min_ready=1, queued=3)], nodes=[node(1)]).launches) == 3


def test_nodes_that_are_becoming_ready_are_counted() -> None:
    nodes = [node(1, NodeState.BUILDING), node(2, NodeState.TESTING, "cb")]
    assert decide(needs=[need(min_ready=2)], nodes=nodes).launches == ()


def test_a_full_quota_means_wait_and_says_how_many_lack() -> None:
    decided = decide(needs=[need(queued=3)], supplies=[supply(capacity=1)], nodes=[node(1, NodeState.IN_USE)])
    assert decided.launches == ()
    assert decided.short == {"xen": 4}


def test_a_server_being_deleted_takes_its_providers_room_and_not_its_labels() -> None:
    nodes = [node(number, NodeState.DELETING) for number in range(3)]
    decided = decide(needs=[need(max_nodes=3, min_ready=3)], supplies=[supply("ca", 3), supply("cb", 9)], nodes=nodes)
    assert where(decided) == ["cb", "cb", "cb"]


def test_a_failed_launch_goes_to_the_other_cloud() -> None:
    assert where(decide(endings=[ending("ca", MINUTE)], needs=[need(min_ready=2)])) == ["cb", "cb"]


def test_where_there_is_no_other_cloud_a_failed_launch_is_tried_again_there() -> None:
    assert where(decide(endings=[ending("ca", MINUTE)], supplies=[supply("ca")])) == ["ca"]


def test_after_failures_in_a_row_nothing_is_asked_for_until_the_pause_is_over() -> None:
    endings = [ending("ca", MINUTE * (3 + n)) for n in range(LIMIT)]
    assert decide(endings=endings, supplies=[supply("ca")]).launches == ()


def test_after_the_pause_one_launch_is_tried_alone() -> None:
    endings = [ending("ca", PAUSE + MINUTE * (1 + n)) for n in range(LIMIT)]
    decided = decide(endings=endings, supplies=[supply("ca")], needs=[need(min_ready=5)])
    assert where(decided) == ["ca"]


def test_a_launch_that_becomes_ready_ends_all_pauses() -> None:
    endings = [ending("ca", MINUTE * (3 + n)) for n in range(9)] + [ending("ca", MINUTE, None)]
    decided = decide(endings=endings, supplies=[supply("ca")], needs=[need(min_ready=5)])
    assert len(decided.launches) == 5


def test_a_refusal_for_quota_is_no_failure_but_a_short_wait() -> None:
    endings = [ending("ca", MINUTE / 2, LaunchFailure.QUOTA)] * 20
    assert decide(endings=endings, supplies=[supply("ca")]).launches == ()
    later = [ending("ca", MINUTE * 2, LaunchFailure.QUOTA)] * 20
    assert where(decide(endings=later, supplies=[supply("ca")])) == ["ca"]


def test_an_image_that_is_missing_closes_its_label_alone() -> None:
    world = {
        "needs": [need(), need("other")],
        "supplies": [supply(labels=("xen", "other"))],
        "endings": [ending("ca", MINUTE / 2, LaunchFailure.CONFIG)],
    }
    assert [launch.label for launch in decide(**world).launches] == ["other"]


def test_a_node_that_is_too_old_is_replaced_before_it_is_given_up() -> None:
    old = node(1, age=timedelta(hours=13))
    first = decide(nodes=[old])
    assert (len(first.launches), first.retirements) == (1, ())
    then = decide(nodes=[old, node(2, provider="cb")])
    assert then.launches == ()
    assert [(r.node, r.reason) for r in then.retirements] == [(1, "ready for longer than 12:00:00")]


def test_where_there_is_no_room_for_a_successor_the_old_node_makes_it() -> None:
    old = node(1, age=timedelta(hours=13))
    assert [r.node for r in decide(nodes=[old], needs=[need(max_nodes=1)]).retirements] == [1]


def test_an_old_node_is_better_than_none_while_no_cloud_answers() -> None:
    closed = [supply("ca", is_open=False), supply("cb", is_open=False)]
    old = node(1, age=timedelta(hours=13))
    assert decide(nodes=[old], needs=[need(max_nodes=1)], supplies=closed).retirements == ()
    assert decide(nodes=[old], supplies=closed).retirements == ()


def test_surplus_nodes_are_kept_for_a_while_and_then_given_up() -> None:
    nodes = [node(1), node(2, age=timedelta(hours=1)), node(3, age=timedelta(hours=2), provider="cb")]
    assert [r.node for r in decide(nodes=nodes).retirements] == [3, 2]


def test_ready_nodes_of_a_label_that_is_gone_are_given_up() -> None:
    decided = decide(needs=[need("other")], nodes=[node(1), node(2, NodeState.IN_USE)])
    assert [r.node for r in decided.retirements] == [1]


def test_waiting_builds_come_before_nodes_kept_ready() -> None:
    needs = [need("calm", min_ready=3), need("busy", min_ready=0, queued=2)]
    decided = decide(needs=needs, supplies=[supply(capacity=3, labels=("calm", "busy"))])
    assert Counter(launch.label for launch in decided.launches) == {"busy": 2, "calm": 1}


def test_a_heavier_cloud_gets_more_nodes() -> None:
    supplies = [supply("ca", weight=3), supply("cb", weight=1)]
    assert Counter(where(decide(needs=[need(min_ready=8)], supplies=supplies))) == {"ca": 6, "cb": 2}


def test_a_cloud_that_lacks_its_share_of_the_last_launches_gets_the_next() -> None:
    supplies = [supply("ca", weight=100), supply("cb", least_share=0.25)]
    last = ["ca"] * (SHARE_OF - 1)
    assert where(decide(supplies=supplies, recent={"xen": last})) == ["cb"]
    assert where(decide(supplies=supplies, recent={"xen": [*last, *["cb"] * 5]})) == ["ca"]
    failing = [ending("cb", MINUTE)]
    assert where(decide(supplies=supplies, recent={"xen": last}, endings=failing)) == ["ca"], "while it works"


def test_a_drained_cloud_gives_up_what_runs_no_build_and_the_other_takes_the_load() -> None:
    nodes = [node(1), node(2, NodeState.BUILDING), node(3, NodeState.IN_USE), node(4, NodeState.HOLD)]
    decided = decide(supplies=[supply("ca", drained="drained by ann"), supply("cb")], nodes=nodes)
    assert sorted((r.node, r.reason) for r in decided.retirements) == [(1, "drained by ann"), (2, "drained by ann")]
    assert where(decided) == ["cb"]


def test_a_cloud_with_more_servers_than_are_wanted_gives_up_launches_first_and_no_build() -> None:
    nodes = [node(1), node(2, NodeState.BUILDING), node(3, NodeState.IN_USE)]
    for most, given_up in ((3, []), (2, [2]), (1, [1, 2]), (0, [1, 2])):
        decided = decide(supplies=[supply("ca", most, wanted=most), supply("cb")], nodes=nodes)
        assert sorted(r.node for r in decided.retirements) == given_up


def test_a_held_node_takes_a_place() -> None:
    assert decide(needs=[need(max_nodes=1)], nodes=[node(1, NodeState.HOLD)]).launches == ()
    assert decide(supplies=[supply("ca", 1)], nodes=[node(1, NodeState.HOLD)]).launches == ()


def test_after_the_pause_a_cloud_whose_api_was_down_is_tried_with_one_label_alone() -> None:
    endings = [ending("ca", PAUSE + MINUTE * (1 + n), LaunchFailure.API, "other") for n in range(LIMIT)]
    decided = decide(
        needs=[need(min_ready=2), need("other", min_ready=2)],
        supplies=[supply(labels=("xen", "other"))],
        endings=endings,
    )
    assert len(decided.launches) == 1


def test_a_launch_is_asked_for_by_provider_and_label() -> None:
    assert decide(supplies=[supply("cb")]).launches == (Launch(provider="cb", label="xen"),)
