"""The breaker of each reason: when it opens, what it lets through after its pause, and what disproves it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenci.model.node import LaunchFailure
from xenci.rules.breaker import LIMIT, LONGEST, PAUSE, WIDE, BreakerState, Ending, Standing, standing

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BREAKING = sorted(set(LaunchFailure) - {LaunchFailure.QUOTA, LaunchFailure.CONFIG})


def ending(minutes: float, failure: LaunchFailure | None, label: str = "xen") -> Ending:
    return Ending(provider="ca", label=label, at=AT - minutes * MINUTE, failure=failure, reason=f"{minutes}")


def states(stands: Standing, at: datetime = AT) -> dict[LaunchFailure, BreakerState]:
    return {breaker.reason: breaker.state(at) for breaker in stands.breakers}


@pytest.mark.parametrize("reason", BREAKING)
def test_each_reason_opens_by_itself_and_is_tried_after_its_pause(reason: LaunchFailure) -> None:
    row = [ending(n, reason) for n in range(LIMIT)]
    assert states(standing(row[1:], "ca", "xen")) == {reason: BreakerState.CLOSED}
    stands = standing(row, "ca", "xen")
    assert states(stands) == {reason: BreakerState.OPEN}
    assert stands.is_closed(AT + PAUSE / 2)
    assert states(stands, AT + PAUSE) == {reason: BreakerState.HALF_OPEN}
    assert not stands.is_closed(AT + PAUSE)
    assert standing([*row, ending(-1, None)], "ca", "xen") == Standing()


def test_two_reasons_do_not_add_up_until_they_are_twice_as_many() -> None:
    reasons = [LaunchFailure.BOOT, LaunchFailure.SSH]
    few = [ending(n, reasons[n % 2]) for n in range(LIMIT + 1)]
    assert set(states(standing(few, "ca", "xen")).values()) == {BreakerState.CLOSED}
    reasons.append(LaunchFailure.CAPACITY)
    many = [ending(n, reasons[n % 3]) for n in range(2 * LIMIT)]
    assert BreakerState.OPEN in states(standing(many, "ca", "xen")).values()


def test_a_launch_that_came_farther_disproves_what_failed_before() -> None:
    row = [ending(1 + n, LaunchFailure.API) for n in range(LIMIT)]
    stands = standing([*row, ending(0, LaunchFailure.SSH)], "ca", "xen")
    assert states(stands) == {LaunchFailure.SSH: BreakerState.CLOSED}
    assert not stands.is_closed(AT)


@pytest.mark.parametrize("reason", sorted(set(LaunchFailure) - {LaunchFailure.QUOTA}))
def test_what_concerns_the_whole_cloud_is_held_against_every_label(reason: LaunchFailure) -> None:
    row = [ending(n, reason) for n in range(LIMIT)]
    assert standing(row, "ca", "other").is_broken == (reason in WIDE)
    assert standing([*row, ending(-1, None, "other")], "ca", "other") == Standing()
    assert standing(row, "cb", "xen") == Standing()


ENDINGS = st.lists(
    st.builds(ending, st.integers(0, 300), st.sampled_from([None, *LaunchFailure]), st.sampled_from(["xen", "other"])),
    max_size=15,
)


@given(ENDINGS)
def test_no_pause_is_longer_than_the_longest_and_a_success_ends_all(endings: list[Ending]) -> None:
    stands = standing(endings, "ca", "xen")
    assert not stands.is_closed(AT + LONGEST)
    assert standing([*endings, ending(-1, None)], "ca", "xen") == Standing()


@given(ENDINGS, st.sampled_from(BREAKING))
def test_more_failures_never_shorten_a_pause(endings: list[Ending], reason: LaunchFailure) -> None:
    row = [ending(-1 - n, reason) for n in range(LIMIT)]
    before = standing([*endings, *row], "ca", "xen").closed_until
    after = standing([*endings, *row, ending(-1 - LIMIT, reason)], "ca", "xen").closed_until
    assert before is not None
    assert after is not None
    assert after >= before
