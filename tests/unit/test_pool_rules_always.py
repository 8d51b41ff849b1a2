"""What holds of the pool's plan, whatever the world is."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.pool_samples import AT, MINUTE, decide, ending, need, node, supply, where
from xenci.model.node import LaunchFailure, NodeState
from xenci.rules.breaker import LIMIT, LONGEST, Ending
from xenci.rules.nodes import Node
from xenci.rules.pool import SHARE_OF, World, plan

FEW = settings(max_examples=25, deadline=None)
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
