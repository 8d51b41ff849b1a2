"""What nodes cost: by hand, and by properties that hold whatever lived when."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenci.rules.cost import Life, amount, by_build, by_day, by_kind
from xenci.rules.cost_forecast import alarm, forecast

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
PRICES = {("ca", "xen"): 0.10, ("cb", "xen"): 0.20}
HOUR = timedelta(hours=1)


def life(began: float, ended: float | None, *, provider: str = "ca", label: str = "xen", **more: object) -> Life:
    """A life in hours before noon."""
    end = None if ended is None else NOON - ended * HOUR
    return Life(provider=provider, label=label, created_at=NOON - began * HOUR, ended_at=end, **more)  # type: ignore[arg-type]


def test_a_node_costs_from_its_creation_to_its_deletion_and_one_that_lives_up_to_now() -> None:
    assert amount([life(5, 3)], PRICES, NOON - 24 * HOUR, NOON).money == pytest.approx(0.20)
    assert amount([life(5, None, provider="cb")], PRICES, NOON - 24 * HOUR, NOON).money == pytest.approx(1.0)
    assert amount([life(50, None)], PRICES, NOON - 24 * HOUR, NOON).hours == 24


def test_without_a_price_nothing_is_known_and_never_0() -> None:
    nodes = [life(5, 3), life(5, 3, provider="cc")]
    assert amount(nodes, {}, NOON - 24 * HOUR, NOON).money is None
    assert amount(nodes[1:], PRICES, NOON - 24 * HOUR, NOON).money is None
    mixed = amount(nodes, PRICES, NOON - 24 * HOUR, NOON)
    assert (mixed.money, mixed.unpriced, mixed.hours) == (pytest.approx(0.2), 2, 4)
    assert amount([], PRICES, NOON - HOUR, NOON).money == 0
    assert amount([], {}, NOON - HOUR, NOON).money is None
    assert amount([life(2, 1)], {("ca", "xen"): 0.0}, NOON - 3 * HOUR, NOON).money == 0


def test_a_build_costs_the_whole_life_of_its_node() -> None:
    found = by_build([life(5, 3, build=7), life(3, None, build=8), life(9, 8, is_failed=True)], PRICES, NOON)
    assert {build: one.hours for build, one in found.items()} == {7: 2, 8: 3}


def test_failed_launches_and_nodes_that_served_no_build_are_told_apart_and_in_the_sum() -> None:
    nodes = [life(4, 3, is_failed=True), life(4, 2), life(4, None, build=1), life(1, None, provider="cb")]
    ca, cb = by_kind(nodes, PRICES, NOON - 24 * HOUR, NOON)
    assert (ca.provider, ca.whole.hours, ca.failed.hours, ca.unused.hours) == ("ca", 7, 1, 2)
    assert (cb.provider, cb.price, cb.unused.nodes) == ("cb", 0.20, 1)
    assert [one.whole.nodes for one in by_kind([], PRICES, NOON - HOUR, NOON)] == [0, 0], "a price without nodes"


HOURS = st.floats(0, 24 * 6, allow_nan=False)
LIVES = st.lists(
    st.builds(
        lambda a, b, provider, lives: life(max(a, b), None if lives else min(a, b), provider=provider),
        HOURS,
        HOURS,
        st.sampled_from(["ca", "cb", "unpriced"]),
        st.booleans(),
    ),
    max_size=12,
)


@given(LIVES)
def test_the_days_and_the_kinds_add_up_to_the_whole(lives: list[Life]) -> None:
    begins = datetime(2026, 11, 15, tzinfo=UTC)
    whole = amount(lives, PRICES, begins, NOON)
    days = by_day(lives, PRICES, date(2026, 11, 15), NOON)
    assert [day.day.day for day in days] == [15, 16, 17, 18, 19, 20, 21]
    assert sum(day.whole.hours for day in days) == pytest.approx(whole.hours)
    assert sum(day.whole.money or 0 for day in days) == pytest.approx(whole.money or 0)
    assert sum(part.hours for day in days for part in day.parts.values()) == pytest.approx(whole.hours)
    assert all(day.whole.hours <= 24 * len(lives) + 1e-9 for day in days)
    kinds = by_kind(lives, PRICES, begins, NOON)
    assert sum(kind.whole.money or 0 for kind in kinds) == pytest.approx(whole.money or 0)


def test_a_month_goes_on_as_the_last_seven_days_did() -> None:
    at = datetime(2026, 11, 11, tzinfo=UTC)
    # two nodes for the last ten days: 4.80 a day
    lives = [
        Life(provider="ca", label="xen", created_at=at - timedelta(days=10), ended_at=None),
        Life(provider="ca", label="xen", created_at=at - timedelta(days=40), ended_at=None),
    ]
    told = forecast(lives, PRICES, at=at, began_at=at - timedelta(days=40), budget_per_year=3650)
    assert told.per_day == pytest.approx(4.80)
    assert told.spent.money == pytest.approx(48.0)
    assert told.expected == pytest.approx(48.0 + 20 * 4.80)
    assert told.budget == pytest.approx(300)
    assert alarm(told, "USD") is None
    tight = forecast(lives, PRICES, at=at, began_at=at - timedelta(days=40), budget_per_year=1700)
    said = alarm(tight, "EUR")
    assert said is not None
    assert "EUR 48.00 is spent of EUR 139.73; about EUR 144.00 by its end" in said.detail


def test_a_young_installation_has_a_forecast_after_a_day_and_by_what_it_has() -> None:
    at = datetime(2026, 11, 11, tzinfo=UTC)
    node = [Life(provider="ca", label="xen", created_at=at - timedelta(hours=48), ended_at=None)]
    young = forecast(node, PRICES, at=at, began_at=at - timedelta(hours=23), budget_per_year=1)
    assert young.expected is None
    assert young.is_over, "what is spent already counts without a forecast"
    told = forecast(node, PRICES, at=at, began_at=at - timedelta(hours=48), budget_per_year=15000)
    assert told.per_day == pytest.approx(2.4)
    assert forecast(node, {}, at=at, began_at=at, budget_per_year=1).is_over is False
    assert forecast([], PRICES, at=at, began_at=None, budget_per_year=1).expected is None
