"""Who gets the next node: by table, by properties, and by serving a busy queue one node at a time."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenci.rules.dispatch import PATIENCE, Waiting, in_order

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def waits(id: int, *, minutes: int = 0, project: str = "nova", priority: int = 100, recheck: bool = False) -> Waiting:
    return Waiting(
        id=id, project=project, priority=priority, is_recheck=recheck, since=NOON - timedelta(minutes=minutes)
    )


@pytest.mark.parametrize(
    ("queue", "order"),
    [
        ([], []),
        ([waits(1, minutes=5), waits(2, minutes=9)], [2, 1]),
        ([waits(1, minutes=9), waits(2, recheck=True)], [2, 1]),
        ([waits(1, minutes=9), waits(2, priority=1)], [2, 1]),
        ([waits(1, minutes=9, recheck=True), waits(2, priority=1)], [2, 1]),
        ([waits(1, minutes=9), waits(2, minutes=8), waits(3, project="tempest")], [1, 3, 2]),
        ([waits(2), waits(1)], [1, 2]),
    ],
)
def test_the_queue_is_served_in_this_order(queue: list[Waiting], order: list[int]) -> None:
    assert in_order(queue, NOON) == order


def test_a_project_that_runs_nothing_comes_before_one_that_runs_much() -> None:
    queue = [waits(1, minutes=60, recheck=True), waits(2, project="tempest")]
    assert in_order(queue, NOON, {"nova": 3}) == [2, 1]
    assert in_order(queue, NOON, {}) == [1, 2]


def test_who_waited_too_long_goes_first_whatever_else_holds() -> None:
    queue = [
        waits(1, minutes=130, priority=900),
        waits(2, recheck=True, priority=1),
        waits(3, minutes=140, priority=900),
    ]
    assert in_order(queue, NOON, {"nova": 9}) == [3, 1, 2]


QUEUES = st.lists(
    st.builds(
        waits,
        id=st.integers(0, 10_000),
        minutes=st.integers(0, 240),
        project=st.sampled_from(["nova", "tempest", "sandbox"]),
        priority=st.sampled_from([1, 100]),
        recheck=st.booleans(),
    ),
    unique_by=lambda build: build.id,
    max_size=12,
)


RUNNING = st.dictionaries(st.sampled_from(["nova", "tempest", "sandbox"]), st.integers(0, 6))


def is_overdue(build: Waiting) -> bool:
    return NOON - build.since > PATIENCE


@given(QUEUES.flatmap(lambda queue: st.tuples(st.just(queue), st.permutations(queue))), RUNNING)
def test_everybody_is_in_the_order_once_and_it_does_not_depend_on_how_they_stood(
    queues: tuple[list[Waiting], list[Waiting]], running: dict[str, int]
) -> None:
    queue, shuffled = queues
    order = in_order(queue, NOON, running)
    assert sorted(order) == sorted(build.id for build in queue)
    assert in_order(shuffled, NOON, running) == order


@given(QUEUES, RUNNING)
def test_to_serve_them_one_by_one_is_the_same_as_all_at_once(queue: list[Waiting], running: dict[str, int]) -> None:
    order, served, runs = in_order(queue, NOON, running), [], Counter(running)
    while queue:
        first = in_order(queue, NOON, runs)[0]
        served.append(first)
        runs[next(build.project for build in queue if build.id == first)] += 1
        queue = [build for build in queue if build.id != first]
    assert served == order


@given(QUEUES, RUNNING, st.integers(0, 11))
def test_who_gives_up_changes_nothing_for_those_before_and_moves_none_behind_back(
    queue: list[Waiting], running: dict[str, int], which: int
) -> None:
    order = in_order(queue, NOON, running)
    if which >= len(order):
        return
    left = in_order([build for build in queue if build.id != order[which]], NOON, running)
    assert left[:which] == order[:which]
    for build in queue:
        if build.id in left and order.index(build.id) > which:
            mine = [one.id for one in queue if one.project == build.project]
            before = {id for id in order[: order.index(build.id)] if id in mine}
            assert {id for id in left[: left.index(build.id)] if id in mine} == before - {order[which]}


@given(QUEUES, RUNNING)
def test_only_so_many_of_another_project_come_before_a_build(queue: list[Waiting], running: dict[str, int]) -> None:
    """As many as its own project has had, runs or gets before it, and one more; the overdue and the fresh alike."""
    by_id = {build.id: build for build in queue}
    order = [by_id[id] for id in in_order(queue, NOON, running)]
    for place, build in enumerate(order):
        rank = (not is_overdue(build), build.priority if not is_overdue(build) else 0)
        same = [b for b in order[:place] if (not is_overdue(b), 0 if is_overdue(b) else b.priority) == rank]
        earlier = Counter(b.project for b in order[:place] if b not in same)
        own = running.get(build.project, 0) + earlier[build.project] + sum(b.project == build.project for b in same)
        for other in {b.project for b in queue} - {build.project}:
            had = running.get(other, 0) + earlier[other]
            assert sum(b.project == other for b in same) <= max(0, own + 1 - had)


@given(QUEUES, RUNNING)
def test_the_overdue_come_first_and_then_each_priority_wholly(queue: list[Waiting], running: dict[str, int]) -> None:
    by_id = {build.id: build for build in queue}
    ranks = [
        (not is_overdue(by_id[id]), 0 if is_overdue(by_id[id]) else by_id[id].priority)
        for id in in_order(queue, NOON, running)
    ]
    assert ranks == sorted(ranks)


def test_a_backlog_of_one_project_does_not_hold_up_another_that_waited_too_long_too() -> None:
    """After an outage everybody is overdue: fifty of one project, all older, come before none of another's but one."""
    backlog = [waits(id, minutes=600 - id) for id in range(50)]
    assert in_order([*backlog, waits(99, minutes=130, project="sandbox", priority=900)], NOON)[:3] == [0, 99, 1]


@given(QUEUES)
def test_in_one_project_and_pipeline_rechecks_come_first_and_then_the_old(queue: list[Waiting]) -> None:
    by_id = {build.id: build for build in queue if NOON - build.since <= PATIENCE}
    order = [by_id[id] for id in in_order(queue, NOON) if id in by_id]
    for project in {build.project for build in queue}:
        for priority in (1, 100):
            mine = [(not b.is_recheck, b.since) for b in order if (b.project, b.priority) == (project, priority)]
            assert mine == sorted(mine)


def test_nobody_starves_while_others_keep_asking() -> None:
    """One node, ten minutes a build; a busy project asks for an urgent recheck each time, and a lone change waits."""
    lone = Waiting(id=0, project="sandbox", priority=900, is_recheck=False, since=NOON)
    queue, served, now = [lone], [], NOON
    for turn in range(1, 40):
        queue.append(Waiting(id=turn, project="nova", priority=1, is_recheck=True, since=now))
        chosen = in_order(queue, now)[0]
        served.append(chosen)
        queue = [build for build in queue if build.id != chosen]
        now += timedelta(minutes=10)
    assert served.index(0) == 13
