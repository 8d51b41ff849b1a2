"""What nodes cost as plain values: for the JSON twin and for the command line."""

from typing import Any

from xenci.dashboard.queries_cost import BuildCost, Costs
from xenci.rules.cost import Amount, Day, Kind
from xenci.rules.cost_forecast import METHOD, Forecast


def costs(found: Costs) -> dict[str, Any]:
    """Return everything that the page tells, but for the builds."""
    return {
        "currency": found.currency,
        "has_price": found.has_price,
        "month": month(found.forecast),
        "span": amount(found.whole),
        "days": [day(one) for one in found.days],
        "kinds": [kind(one) for one in found.kinds],
    }


def month(told: Forecast) -> dict[str, Any]:
    """Return the month against its budget."""
    return {
        "month": f"{told.begins:%Y-%m}",
        "spent": money(told.spent.money),
        "unpriced_hours": round(told.spent.unpriced, 2),
        "per_day": money(told.per_day),
        "expected": money(told.expected),
        "budget": money(told.budget),
        "is_over": told.is_over,
        "method": METHOD,
    }


def day(one: Day) -> dict[str, Any]:
    """Return one day."""
    parts = {name: money(part.money) for name, part in one.parts.items()}
    return {"day": one.day.isoformat(), **amount(one.whole), "providers": parts}


def kind(one: Kind) -> dict[str, Any]:
    """Return a label on a provider."""
    return {
        "provider": one.provider,
        "label": one.label,
        "price_per_hour": one.price,
        **amount(one.whole),
        "failed_launches": amount(one.failed),
        "unused": amount(one.unused),
    }


def build(one: BuildCost) -> dict[str, Any]:
    """Return a build with what its node cost."""
    patchset = one.build.buildset.patchset
    return {
        "build": one.build.id,
        "change": f"{patchset.change.number},{patchset.number}",
        "job": one.build.job,
        "result": one.build.result,
        "provider": one.build.node.provider if one.build.node else None,
        **amount(one.cost),
    }


def amount(one: Amount) -> dict[str, Any]:
    """Return an amount; `cost` is null where no price is known."""
    return {
        "nodes": one.nodes,
        "hours": round(one.hours, 2),
        "unpriced_hours": round(one.unpriced, 2),
        "cost": money(one.money),
    }


def money(value: float | None) -> float | None:
    """Return money in hundredths, or None."""
    return None if value is None else round(value, 2)
