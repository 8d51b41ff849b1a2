"""The cost page, its twin and its figures, on the sample's rows."""

from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from tests.browser.conftest import World
from tests.browser.reading import Page, read
from xenci.clock import now
from xenci.config.models import Settings
from xenci.dashboard.app import create_app


def without_price(world: World) -> Settings:
    raw = world.settings.model_dump(mode="json")
    for provider in raw["providers"]:
        for label in provider["labels"]:
            label["price_per_hour"] = None
    return Settings.model_validate(raw)


def samples(text: str) -> dict[str, list[float]]:
    return {family.name: [sample.value for sample in family.samples] for family in text_string_to_metric_families(text)}


def test_the_page_tells_the_month_against_its_budget_and_the_same_as_its_twin(world: World) -> None:
    told = world.client.get("/api/cost?since=30 days").json()
    words = read(world, "/cost").words
    assert told["month"]["spent"] > 0
    assert f"USD {told['month']['spent']:,.2f}" in words
    assert f"USD {told['month']['budget']:,.2f}" in words
    assert {kind["provider"] for kind in told["kinds"]} == {"ca", "cb"}
    assert "what a day of the last 7 cost on average" in words
    assert "no price" not in words, words[max(0, words.find("no price") - 200) :][:300]


def test_where_no_price_is_configured_nothing_says_0(world: World) -> None:
    client = TestClient(create_app(without_price(world), world.database, now))
    words = Page(client.get("/cost").text).words
    assert "No price What the nodes cost is not known: no price." in words
    assert "USD 0" not in words
    assert client.get("/api/cost").json()["month"]["spent"] is None
    figures = samples(client.get("/metrics").text)
    assert figures["xenci_cost_month"] == []
    assert sum(figures["xenci_cost_unpriced_hours_today"]) > 0


def test_the_figures_have_the_month(world: World) -> None:
    figures = samples(world.client.get("/metrics").text)
    (spent,) = figures["xenci_cost_month"]
    assert spent > 0
    assert figures["xenci_cost_month_budget"][0] > 1000
    assert len(figures["xenci_cost_today"]) == 2
