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


@given(QUEUES, st.randoms(use_true_random=False))
def test_everybody_is_in_the_order_once_and_it_does_not_depend_on_how_they_stood(
    queue: list[Waiting], dice: object
) -> None:
    order = in_order(queue, NOON)
    assert sorted(order) == sorted(build.id for build in queue)
    assert in_order(queue[::-1], NOON) == order


@given(QUEUES)
def test_in_one_project_and_pipeline_rechecks_come_first_and_then_the_old(queue: list[Waiting]) -> None:
    by_id = {build.id: build for build in queue if NOON - build.since <= PATIENCE}
    order = [by_id[id] for id in in_order(queue, NOON) if id in by_id]
    for project in {build.project for build in queue}:
        for priority in (1, 100):
            mine = [(not b.is_recheck, b.since) for b in order if (b.project, b.priority) == (project, priority)]
            assert mine == sorted(mine)


@given(QUEUES)
def test_projects_take_turns_within_a_priority(queue: list[Waiting]) -> None:
    """Before a project's second build comes the first of every other project."""
    by_id = {build.id: build for build in queue}
    for priority in (1, 100):
        fresh = [by_id[id] for id in in_order(queue, NOON) if NOON - by_id[id].since <= PATIENCE]
        projects = [build.project for build in fresh if build.priority == priority]
        seen: Counter[str] = Counter()
        for project in projects:
            seen[project] += 1
            rest = Counter(projects)
            assert all(seen[other] >= min(seen[project] - 1, rest[other]) for other in rest)


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
