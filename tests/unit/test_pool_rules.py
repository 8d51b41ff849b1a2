"""The pool's plan: how many nodes, where, and when they are given up."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from xenci.model.node import LaunchFailure, NodeState
from xenci.rules.breaker import LIMIT, LONGEST, PAUSE, Ending
from xenci.rules.nodes import Node
from xenci.rules.pool import SHARE_OF, Launch, Need, Plan, Supply, World, plan

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FEW = settings(max_examples=25, deadline=None)


def need(label: str = "xen", **values: object) -> Need:
    return Need(**{"label": label, "min_ready": 1, "max_nodes": 10, "max_age": timedelta(hours=12)} | values)


def supply(
    name: str = "ca", capacity: int = 10, is_open: bool = True, labels: tuple[str, ...] = ("xen",), **values: Any
) -> Supply:
    return Supply(name=name, labels=frozenset(labels), capacity=capacity, is_open=is_open, **values)


def node(number: int, state: NodeState = NodeState.READY, provider: str = "ca", age: timedelta = MINUTE) -> Node:
    at = AT - age
    return Node(
        id=number,
        name=f"n{number}",
        label="xen",
        provider=provider,
        state=state,
        created_at=at,
        ready_at=at,
        state_at=at,
    )


def ending(
    provider: str, ago: timedelta, failure: LaunchFailure | None = LaunchFailure.BOOT, label: str = "xen"
) -> Ending:
    return Ending(provider=provider, label=label, at=AT - ago, failure=failure)


def decide(**values: object) -> Plan:
    return plan(World(**{"needs": [need()], "supplies": [supply("ca"), supply("cb")], "nodes": [], "at": AT} | values))


def where(decided: Plan) -> list[str]:
    return sorted(launch.provider for launch in decided.launches)


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


NODES = st.lists(
    st.builds(
        node,
        st.integers(1, 10**6),
        st.sampled_from(sorted(set(NodeState) - {NodeState.DELETED})),
        st.sampled_from(["ca", "cb", "cc"]),
        st.integers(0, 30).map(lambda hours: timedelta(hours=hours)),
    ),
    max_size=20,
    unique_by=lambda one: one.id,
)
ENDINGS = st.lists(
    st.builds(
        ending,
        st.sampled_from(["ca", "cb", "cc"]),
        st.integers(0, 600).map(lambda minutes: timedelta(minutes=minutes)),
        st.sampled_from([None, *LaunchFailure]),
    ),
    max_size=20,
)
WORLDS = st.builds(
    World,
    needs=st.tuples(
        st.builds(need, min_ready=st.integers(0, 8), max_nodes=st.integers(1, 12), queued=st.integers(0, 8))
    ),
    supplies=st.tuples(*(st.builds(supply, st.just(n), st.integers(0, 8), st.booleans()) for n in ("ca", "cb", "cc"))),
    nodes=NODES,
    endings=ENDINGS,
    at=st.just(AT),
)


@FEW
@given(WORLDS)
def test_never_more_nodes_than_the_label_and_the_provider_may_have(world: World) -> None:
    launches = plan(world).launches
    alive = sum(one.state is not NodeState.DELETING for one in world.nodes)
    assert not launches or alive + len(launches) <= world.needs[0].max_nodes
    on_provider = Counter(one.provider for one in world.nodes) + Counter(launch.provider for launch in launches)
    for one in world.supplies:
        asked = [launch for launch in launches if launch.provider == one.name]
        assert not asked or (one.is_open and on_provider[one.name] <= one.capacity)


@FEW
@given(WORLDS)
def test_never_more_nodes_than_are_needed(world: World) -> None:
    decided = plan(world)
    age = world.needs[0].max_age
    fresh = [n for n in world.nodes if n.state is NodeState.READY and AT - (n.ready_at or AT) <= age]
    coming = [n for n in world.nodes if n.state in (NodeState.BUILDING, NodeState.TESTING)]
    if decided.launches:
        assert len(fresh) + len(coming) + len(decided.launches) <= world.needs[0].idle
    left = {n.id for n in fresh} - {r.node for r in decided.retirements}
    assert len(left) >= min(len(fresh), world.needs[0].idle)


@FEW
@given(WORLDS)
def test_a_plan_that_is_done_asks_for_nothing_more(world: World) -> None:
    decided = plan(world)
    given_up = {r.node for r in decided.retirements}
    nodes = [n for n in world.nodes if n.id not in given_up]
    nodes += [node(10**6 + i, NodeState.BUILDING, launch.provider) for i, launch in enumerate(decided.launches, 1)]
    again = plan(World(needs=world.needs, supplies=world.supplies, nodes=nodes, endings=world.endings, at=AT))
    if not decided.retirements:
        assert again.launches == ()


@FEW
@given(st.integers(1, 8), st.integers(0, 8), st.integers(2, 16))
def test_both_clouds_are_used_evenly_when_both_work(min_ready: int, queued: int, max_nodes: int) -> None:
    decided = decide(needs=[need(min_ready=min_ready, queued=queued, max_nodes=max_nodes)])
    count = Counter(where(decided))
    assert abs(count["ca"] - count["cb"]) <= 1
    assert len(decided.launches) == min(min_ready + queued, max_nodes)


@FEW
@given(
    st.sampled_from([f for f in LaunchFailure if f is not LaunchFailure.QUOTA]),
    st.integers(1, 6),
    st.integers(1, 5),
    st.integers(0, 3),
)
def test_a_dead_cloud_does_not_starve_the_pool(
    failure: LaunchFailure, wanted: int, minutes: int, stuck_deleting: int
) -> None:
    """Launches on ca fail after some minutes, each on cb becomes ready after one; what ca began stays being deleted."""
    at, number, failed = AT, 0, 0
    nodes: list[Node] = [node(-n, NodeState.DELETING) for n in range(stuck_deleting)]
    endings: list[Ending] = []
    began: dict[int, datetime] = {}
    for _ in range(2 * wanted + 3 * minutes):
        world = World(
            needs=[need(min_ready=wanted)], supplies=[supply("ca"), supply("cb")], nodes=nodes, endings=endings, at=at
        )
        for launch in plan(world).launches:
            number += 1
            nodes.append(node(number, NodeState.BUILDING, launch.provider))
            began[number] = at
        at += MINUTE
        for i, one in enumerate(nodes):
            if one.state is not NodeState.BUILDING:
                continue
            if one.provider == "cb":
                nodes[i] = node(one.id, NodeState.READY, "cb")
                endings.append(Ending(provider="cb", label="xen", at=at, failure=None))
            elif at - began[one.id] >= minutes * MINUTE:
                nodes[i] = node(one.id, NodeState.DELETING, "ca")
                endings.append(Ending(provider="ca", label="xen", at=at, failure=failure))
                failed += 1
    assert sum(one.state is NodeState.READY for one in nodes) == wanted
    assert failed <= wanted + LIMIT


@FEW
@given(st.integers(0, 40))
def test_a_cloud_that_fails_for_ever_is_still_tried_now_and_then(failures: int) -> None:
    endings = [ending("ca", LONGEST + MINUTE * (1 + n)) for n in range(failures)]
    assert where(decide(endings=endings, supplies=[supply("ca")])) == ["ca"]


def test_a_launch_is_asked_for_by_provider_and_label() -> None:
    assert decide(supplies=[supply("cb")]).launches == (Launch(provider="cb", label="xen"),)


@FEW
@given(
    st.lists(st.sampled_from([0.1, 1.0, 10.0]), min_size=2, max_size=2),
    st.sampled_from([0.0, 0.1, 0.25, 0.5]),
    st.integers(1, 4),
    st.lists(st.sampled_from(["ca", "cb"]), max_size=SHARE_OF),
)
def test_each_cloud_gets_its_least_share_whatever_the_weights(
    weights: list[float], share: float, at_once: int, last: list[str]
) -> None:
    supplies = [supply(n, 50, weight=w, least_share=share) for n, w in zip(("ca", "cb"), weights, strict=True)]
    for _ in range(2 * SHARE_OF):
        decided = decide(needs=[need(min_ready=at_once, max_nodes=50)], supplies=supplies, recent={"xen": last})
        last = (last + [launch.provider for launch in decided.launches])[-SHARE_OF:]
    assert min(last.count("ca"), last.count("cb")) >= int(share * SHARE_OF)


@FEW
@given(WORLDS, st.sampled_from(["ca", "cb", "cc"]), st.integers(0, 5))
def test_what_is_drained_or_scaled_down_gets_nothing_and_ends_no_build(world: World, name: str, wanted: int) -> None:
    for change in ({"drained": "why"}, {"wanted": wanted, "capacity": wanted}):
        supplies = [replace(one, **change) if one.name == name else one for one in world.supplies]
        decided = plan(replace(world, supplies=supplies))
        mine = [one for one in world.nodes if one.provider == name]
        launches = sum(launch.provider == name for launch in decided.launches)
        assert not launches or ("drained" not in change and launches + len(mine) <= wanted)
        numbers = [r.node for r in decided.retirements]
        assert len(numbers) == len(set(numbers))
        kept = [one for one in mine if one.id not in numbers]
        may_leave = {NodeState.READY, NodeState.BUILDING, NodeState.TESTING}
        assert {one.state for one in world.nodes if one.id in numbers} <= may_leave
        if "drained" in change:
            assert not {one.state for one in kept} & may_leave
