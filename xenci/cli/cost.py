"""`xenci cost`: what the nodes cost, and whether the budget lasts."""

from typing import Annotated, Any

import typer

from xenci.cli.terminal import ConfigOption, JsonOption, LimitOption, open_ready, read_settings, show, show_one
from xenci.clock import now
from xenci.dashboard import twins_cost
from xenci.dashboard.formats import money
from xenci.dashboard.queries_cost import cost_of_builds, costs_of

app = typer.Typer(help="What the nodes cost, and whether the budget lasts.", no_args_is_help=True)
DaysOption = Annotated[int, typer.Option(min=1, max=3650, help="So many days, today is one of them.")]


@app.command("show")
def show_cost(config: ConfigOption = None, json: JsonOption = False, days: DaysOption = 30) -> None:
    """Show this month against its budget, and what each label costs on each provider."""
    settings = read_settings(config)
    with open_ready(settings).session() as session:
        found = costs_of(session, settings, now(), days=days)
    told = twins_cost.costs(found)
    if json:
        show_one(told, as_json=True)
        return
    month = dict(told["month"])
    for name in ("spent", "per_day", "expected", "budget"):
        month[name] = money(month[name], found.currency)
    show_one(month, as_json=False)
    typer.echo(f"\nthe last {days} days:")
    rows = [_in_words(row | {"price": money(row["price_per_hour"], found.currency)}) for row in told["kinds"]]
    show(rows, as_json=False, columns=("provider", "label", "price", "nodes", "hours", "cost"), empty="no node yet")


@app.command("days")
def show_days(config: ConfigOption = None, json: JsonOption = False, days: DaysOption = 30) -> None:
    """List what each day cost, the last one as far as it is past."""
    settings = read_settings(config)
    with open_ready(settings).session() as session:
        found = costs_of(session, settings, now(), days=days)
    rows = [twins_cost.day(day) for day in found.days]
    columns = ("day", "nodes", "hours", "unpriced_hours", "cost")
    show(rows if json else [_in_words(row) for row in rows], as_json=json, columns=columns, empty="no day")


@app.command("builds")
def show_builds(config: ConfigOption = None, json: JsonOption = False, limit: LimitOption = 20) -> None:
    """List the newest builds with what the node of each cost, from its creation to its deletion."""
    settings = read_settings(config)
    with open_ready(settings).session() as session:
        rows = [twins_cost.build(one) for one in cost_of_builds(session, settings, now(), limit=limit)]
    columns = ("build", "change", "job", "result", "provider", "hours", "cost")
    empty = "no build had a node yet"
    show(rows if json else [_in_words(row) for row in rows], as_json=json, columns=columns, empty=empty)


def _in_words(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"cost": money(row["cost"])}
