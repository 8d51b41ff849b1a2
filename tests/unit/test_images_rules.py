"""What becomes of a node image: each state by table; what must hold for whatever is seen."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenci.model.image import KEPT_STATES, WORKING_STATES, ImageState
from xenci.model.node import LaunchFailure, NodeState
from xenci.rules.images import PASSING, RETRY, Deadlines, Go, Kept, Launch, Next, Sight, before, next_of, surplus

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LIMITS = Deadlines(node=2 * HOUR, prepare=3 * HOUR, snapshot=HOUR)
FAILED = ImageState.FAILED


def judge(state: ImageState, *, ago: timedelta = timedelta(), **seen: Any) -> Next:
    return next_of(Sight(state=state, state_at=AT - ago, **seen), LIMITS, AT)


def goes_to(found: Next) -> ImageState | None:
    return found.state if isinstance(found, Go) else None


@pytest.mark.parametrize(
    ("state", "seen", "then"),
    [
        ("building", {}, "launch"),
        ("building", {"node": "building"}, None),
        ("building", {"node": "testing"}, None),
        ("building", {"node": "in-use"}, "preparing"),
        ("building", {"node": "deleted", "failure": "quota", "node_at": AT}, None),
        ("building", {"node": "deleted", "failure": "quota", "node_at": AT - RETRY}, "launch"),
        ("building", {"node": "deleting", "failure": "ssh"}, "failed"),
        ("building", {"node": "deleting"}, "failed"),
        ("preparing", {"node": "in-use"}, None),
        ("preparing", {"node": "in-use", "is_prepared": True}, "snapshotting"),
        ("preparing", {"node": "deleting", "is_prepared": True}, "failed"),
        ("preparing", {}, "failed"),
        ("snapshotting", {"node": "in-use"}, None),
        ("snapshotting", {"node": "deleted"}, "failed"),
        ("snapshotting", {"node": "in-use", "asked_at": AT, "status": "saving"}, None),
        ("snapshotting", {"node": "deleted", "asked_at": AT, "status": "saving"}, "failed"),
        ("snapshotting", {"node": "deleted", "asked_at": AT, "status": "active"}, "trying"),
        ("snapshotting", {"node": "in-use", "asked_at": AT, "status": "active"}, "trying"),
        ("snapshotting", {"node": "in-use", "asked_at": AT, "status": "killed"}, "failed"),
        ("snapshotting", {"node": "in-use", "asked_at": AT}, None),
        ("snapshotting", {"node": "in-use", "asked_at": AT - HOUR / 2}, "failed"),
        ("trying", {}, "launch"),
        ("trying", {"node": "building"}, None),
        ("trying", {"node": "in-use"}, "ready"),
        ("trying", {"node": "deleting", "failure": "xen"}, "failed"),
        ("trying", {"node": "deleted", "failure": "capacity", "node_at": AT}, None),
        ("ready", {"node": "in-use"}, None),
        ("failed", {}, None),
    ],
)
def test_each_state_goes_on_as_its_node_and_its_snapshot_say(
    state: str, seen: dict[str, Any], then: str | None
) -> None:
    seen = dict(seen)
    if "node" in seen:
        seen["node"] = NodeState(seen["node"])
    if "failure" in seen:
        seen["failure"] = LaunchFailure(seen["failure"])
    found = judge(ImageState(state), **seen)
    assert ("launch" if isinstance(found, Launch) else goes_to(found)) == then


@pytest.mark.parametrize("state", sorted(WORKING_STATES))
def test_what_takes_too_long_fails_with_what_it_waited_for_last(state: ImageState) -> None:
    seen: dict[str, Any] = {"node": NodeState.BUILDING if state in ("building", "trying") else NodeState.IN_USE}
    if state is ImageState.SNAPSHOTTING:
        seen |= {"asked_at": AT - 4 * HOUR, "status": "saving"}
    found = judge(state, ago=4 * HOUR, reason="waits for Godot", **seen)
    assert isinstance(found, Go)
    assert found.state is FAILED
    assert "waits for Godot" in found.reason


def test_what_passed_while_nobody_looked_is_held_against_nobody() -> None:
    sight = Sight(state=ImageState.PREPARING, state_at=AT - 9 * HOUR, node=NodeState.IN_USE)
    assert next_of(sight, LIMITS, AT, AT - timedelta(minutes=1)) is None
    assert goes_to(next_of(sight, LIMITS, AT, AT - HOUR)) is FAILED


SIGHTS = st.builds(
    Sight,
    state=st.sampled_from(ImageState),
    state_at=st.timedeltas(timedelta(), 9 * HOUR).map(lambda ago: AT - ago),
    node=st.none() | st.sampled_from(NodeState),
    failure=st.none() | st.sampled_from(LaunchFailure),
    node_at=st.none() | st.just(AT) | st.just(AT - HOUR),
    is_prepared=st.booleans(),
    asked_at=st.none() | st.just(AT) | st.just(AT - HOUR),
    status=st.none() | st.sampled_from(["queued", "saving", "active", "killed", "deleted"]),
)


@given(SIGHTS)
def test_nothing_is_ready_that_no_node_was_proved_from_and_nothing_tried_that_is_not_whole(sight: Sight) -> None:
    found = next_of(sight, LIMITS, AT)
    state = goes_to(found)
    if sight.state not in WORKING_STATES:
        assert found is None
    if state is ImageState.READY:
        assert (sight.state, sight.node, sight.failure) == (ImageState.TRYING, NodeState.IN_USE, None)
    if state is ImageState.TRYING:
        assert (sight.state, sight.status) == (ImageState.SNAPSHOTTING, "active")
    if state is ImageState.SNAPSHOTTING:
        assert sight.is_prepared
    if isinstance(found, Launch):
        assert sight.state in (ImageState.BUILDING, ImageState.TRYING)
        assert sight.node is None or sight.failure in PASSING
    assert state is not ImageState.PROMOTED


@given(SIGHTS)
def test_what_is_late_never_waits_on(sight: Sight) -> None:
    late = next_of(sight, Deadlines(node=timedelta(0), prepare=timedelta(0), snapshot=timedelta(0)), AT + HOUR)
    assert (late is not None) == (sight.state in WORKING_STATES)


KEPTS = st.lists(st.sampled_from(sorted(KEPT_STATES)), max_size=9).map(
    lambda states: [
        # one alone is promoted
        Kept(id=n, state=ImageState.RETIRED if s is ImageState.PROMOTED and s in states[:n] else s)
        for n, s in enumerate(states)
    ]
)


@given(KEPTS, st.integers(1, 5))
def test_as_many_are_kept_as_were_asked_for_the_promoted_one_and_its_forerunner_first(
    images: list[Kept], keep: int
) -> None:
    gone = surplus(images, keep)
    assert min(len(images), keep) <= len(images) - len(gone) <= keep + 1
    states = {image.id: image.state for image in images}
    assert ImageState.PROMOTED not in [states[one] for one in gone]
    assert keep == 1 or before(images) not in gone
    assert surplus([image for image in images if image.id not in gone], keep) == []


@given(KEPTS, st.integers(1, 5))
def test_the_newest_that_waits_for_its_promotion_stays_and_nothing_else_beyond_the_count(
    images: list[Kept], keep: int
) -> None:
    now = max((image.id for image in images if image.state is ImageState.PROMOTED), default=-1)
    waiting = [image.id for image in images if image.state is ImageState.READY and image.id > now][-1:]
    kept = {image.id for image in images} - set(surplus(images, keep))
    assert kept >= set(waiting)
    assert len(kept - set(waiting)) <= keep


@given(KEPTS)
def test_a_rollback_goes_to_an_older_one_that_was_used(images: list[Kept]) -> None:
    found = before(images)
    now = [image.id for image in images if image.state is ImageState.PROMOTED]
    older = [image.id for image in images if image.state is ImageState.RETIRED and now and image.id < now[0]]
    assert found == (max(older) if older else None)
