"""The cost of nodes on rows: the alarm about the budget, and what the command line tells."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.flows.test_cli import Call, call
from tests.flows.world import World
from xenci.config.models import Settings
from xenci.dashboard.queries_cost import costs_of
from xenci.services.consider import consider
from xenci.services.cost import cost
from xenci.services.prepare import prepare
from xenci.services.tick import tick
from xenci.store.marks import open_alarms
from xenci.store.tables import HeartRow, NodeRow

__all__ = ["call"]


def with_price(world: World, price: float | None, budget: float = 15_000) -> None:
    raw = world.ctx.settings.model_dump(mode="json")
    raw["providers"][0]["labels"][0]["price_per_hour"] = price
    raw["cost"]["budget_per_year"] = budget
    world.ctx.settings = Settings.model_validate(raw)


def node(world: World, name: str, *, began: float, ended: float | None = None, **values: object) -> None:
    """A node that lived in these hours before now."""
    values = {"server_id": name, "state": "ready" if ended is None else "deleted", "provider": "ca"} | values
    with world.database.session() as session:
        session.add(
            NodeRow(
                name=name,
                label="xen",
                created_at=world.now - timedelta(hours=began),
                deleted_at=None if ended is None else world.now - timedelta(hours=ended),
                **values,
            )
        )


def alarms(world: World) -> list[str]:
    with world.database.session() as session:
        return [row.key for row in open_alarms(session)]


def test_an_alarm_tells_of_a_month_that_passes_its_budget_and_ends_by_itself(world: World) -> None:
    node(world, "one", began=48)
    with_price(world, 1.0, budget=1200)
    cost(world.ctx)
    assert alarms(world) == ["cost:month"], "24 a day are 744 in March; a twelfth of the budget is 102"
    with_price(world, 1.0, budget=15_000)
    cost(world.ctx)
    assert alarms(world) == []


def test_without_a_price_there_is_no_alarm_and_no_money(world: World) -> None:
    node(world, "one", began=48)
    cost(world.ctx)
    assert alarms(world) == []
    with world.database.session() as session:
        assert costs_of(session, world.ctx.settings, world.now, days=3).whole.money is None
        heart = session.get_one(HeartRow, "cost")
        assert heart.detail == "no price is configured"


def test_the_tick_asks_for_it_every_ten_minutes(world: World) -> None:
    tick(world.ctx)
    assert world.nudges("cost") == [0]
    cost(world.ctx)
    with world.database.session() as session:
        assert session.scalar(select(HeartRow.beat_at).where(HeartRow.name == "cost")) == world.now


def test_a_server_that_the_cloud_refused_costs_nothing_and_a_failed_launch_does(world: World) -> None:
    with_price(world, 1.0)
    node(world, "refused", began=3, ended=2, server_id=None, failure="quota")
    node(world, "failed", began=3, ended=1, failure="boot")
    node(world, "long-gone", began=2000, ended=1990)
    with world.database.session() as session:
        found = costs_of(session, world.ctx.settings, world.now, days=30)
    assert found.whole.money == pytest.approx(2.0)
    assert found.kinds[0].failed.money == pytest.approx(2.0)


def test_the_command_line_tells_the_month_the_days_and_the_builds(
    world: World, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xenci.cli.cost.now", lambda: world.now)
    consider(world.ctx, world.gerrit.push().change)
    (buildset,) = world.buildsets()
    prepare(world.ctx, buildset.id)
    (build,) = world.buildsets()[0].builds
    world.give_node(build.id)
    node(world, "one", began=30, ended=28)
    told = json.loads(call("cost", "show", "--json").stdout)
    assert told["month"]["spent"] is None
    assert "no price" in call("cost", "show").stdout
    assert "no price" in call("cost", "builds").stdout
    with_price(world, 0.5)
    (world.folder / "xenci.yaml").write_text(world.ctx.settings.model_dump_json(exclude_defaults=True))
    world.later(hours=2)
    told = json.loads(call("cost", "show", "--json", "--days", "3").stdout)
    assert told["month"]["spent"] == pytest.approx(1.0), "the node of February is not of this month"
    assert told["span"]["cost"] == pytest.approx(2.0)
    days = json.loads(call("cost", "days", "--json", "--days", "3").stdout)
    assert [(day["day"], day["cost"]) for day in days] == [
        ("2026-02-27", 0.0),
        ("2026-02-28", 1.0),
        ("2026-03-01", 1.0),
    ]
    (one,) = json.loads(call("cost", "builds", "--json").stdout)
    assert (one["build"], one["cost"], one["provider"]) == (build.id, 1.0, "ca")
    assert "USD 1.00" in call("cost", "show").stdout
