"""`xenci simulate`: how many nodes are needed, by the real rules on a virtual clock."""

import re
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from xenci.cli.terminal import JsonOption, show, show_one
from xenci.config.load import load
from xenci.dashboard.formats import duration, money
from xenci.errors import Permanent
from xenci.simulate.compare import Comparison, compare
from xenci.simulate.figures import ENOUGH, LIMIT, Figures, plain
from xenci.simulate.installation import Installation, Scenario, assumed, of_settings
from xenci.simulate.lengths import Length
from xenci.simulate.stream import Traffic, read
from xenci.simulate.traffic import Assumptions, generate

app = typer.Typer(help="How many nodes are needed: the real rules on a virtual clock.")
SeedOption = Annotated[int, typer.Option(help="The same seed is the same week.")]
ScaleOption = Annotated[float, typer.Option(min=0.01, max=100, help="So many times as much synthetic traffic.")]


class WrongNumbers(Permanent):
    """These are no numbers of nodes."""


@app.callback(invoke_without_command=True)
def simulate(
    context: typer.Context,
    events: Annotated[Path | None, typer.Option(help="A recorded stream; else a synthetic week of Nova.")] = None,
    nodes: Annotated[str, typer.Option(help="Numbers of nodes: 20..25, or 22.")] = "20..25",
    boot: Annotated[str, typer.Option(help="From a server to a verified Xen host: 12m, 12m±3.")] = "12m",
    run: Annotated[str, typer.Option(help="From a node to the report: 75m±20 is evenly 55 to 95 min.")] = "75m±20",
    launch_failures: Annotated[float, typer.Option(min=0, max=0.9, help="Share of launches that fail.")] = 0.05,
    quotas: Annotated[str, typer.Option(help="Most servers of each cloud.")] = "13,12",
    min_ready: Annotated[int, typer.Option(min=0, help="Nodes kept ready.")] = 4,
    price: Annotated[
        float | None, typer.Option(min=0, help="Of a node's hour, in USD.", show_default="no price")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Take pipelines and clouds from here.")] = None,
    seed: SeedOption = 1,
    scale: ScaleOption = 1.0,
    json: JsonOption = False,
) -> None:
    """Simulate a week with each number of nodes, and say how few keep 95 % of the reports within 4 h."""
    if context.invoked_subcommand is not None:
        return
    traffic = _read(events) if events else read(generate(_scaled(seed, scale)))
    numbers = _numbers(nodes)
    quota = [_whole(one) for one in quotas.split(",")]
    there = of_settings(load(config)) if config else assumed(quotas=quota, min_ready=min_ready, price=price)
    scenario = Scenario(
        nodes=max(numbers), boot=Length.parse(boot), run=Length.parse(run), failures=launch_failures, seed=seed
    )
    found = compare(traffic, there, scenario, numbers)
    facts = _facts(traffic, there, scenario)
    if json:
        least = None if found.least is None else found.least.nodes
        rows = [plain(row) for row in found.rows]
        show_one({"assumptions": traffic.assumptions, **facts, "rows": rows, "least": least}, as_json=True)
        return
    _tell(traffic, there, found, facts)


@app.command("generate")
def generate_week(
    seed: SeedOption = 1,
    scale: ScaleOption = 1.0,
    days: Annotated[int, typer.Option(min=1, max=366, help="So many days.")] = 7,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file instead of the standard output.")
    ] = None,
) -> None:
    """Write synthetic traffic of Nova as Gerrit's stream-events; the first line states what it assumes."""
    lines = b"".join(generate(replace(_scaled(seed, scale), days=days)))
    if output is None:
        sys.stdout.buffer.write(lines)
    else:
        output.write_bytes(lines)


def _scaled(seed: int, scale: float) -> Assumptions:
    one = Assumptions(seed=seed)
    return replace(
        one, pushes_per_weekday=one.pushes_per_weekday * scale, closed_per_weekday=one.closed_per_weekday * scale
    )


def _read(path: Path) -> Traffic:
    with path.open("rb") as lines:
        return read(lines)


def _numbers(text: str) -> list[int]:
    found = re.fullmatch(r"\s*(\d{1,4})\s*(?:\.\.\s*(\d{1,4})\s*)?", text)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= first <= last:
        raise WrongNumbers(text, remedy="write 20..25, or 22")
    return list(range(first, last + 1))


def _whole(text: str) -> int:
    if not text.strip().isdigit():
        raise WrongNumbers(text, brief="This is no quota", remedy="write one number for each cloud: 13,12")
    return int(text)


def _facts(traffic: Traffic, there: Installation, scenario: Scenario) -> dict[str, Any]:
    events = traffic.events
    return {
        "events": len(events),
        "patch_sets": sum(1 for event in events if event.type == "patchset-created"),
        "patch_sets_without_files": traffic.without_files,
        "begins": events[0].at,
        "ends": events[-1].at,
        "boot": _length(scenario.boot),
        "run": _length(scenario.run),
        "deletion": duration(scenario.deletion),
        "launch_failures": scenario.failures,
        "clouds": {supply.name: supply.capacity for supply in there.supplies},
        "weights": {supply.name: supply.weight for supply in there.supplies},
        "least_shares": {supply.name: supply.least_share for supply in there.supplies},
        "min_ready": {label.name: label.min_ready for label in there.labels},
        "currency": there.currency,
        "seed": scenario.seed,
    }


def _tell(traffic: Traffic, there: Installation, found: Comparison, facts: dict[str, Any]) -> None:
    show_one(facts, as_json=False)
    if traffic.assumptions:
        said = ", ".join(f"{key} {value}" for key, value in traffic.assumptions.items() if key != "note")
        typer.echo(f"\n{traffic.assumptions.get('note', 'assumed')}: {said}")
    if traffic.without_files:
        typer.echo(f"\nThe stream tells no files of {traffic.without_files} patch sets: they count as relevant.")
    typer.echo("")
    columns = (
        "nodes", "asked", "reported", "copied", "withdrawn", "p50", "p95", "worst", "within 4 h", "wait p95",
        "servers at once", "utilisation", "node hours", "failed launches", "cost", "each report",
    )  # fmt: skip
    show([_row(row, there.currency) for row in found.rows], as_json=False, columns=columns, empty="no number of nodes")
    if found.least is None:
        typer.echo(f"\nNot even {found.tried_up_to} nodes keep {ENOUGH:.0%} of the reports within {duration(LIMIT)}.")
    else:
        one = found.least
        share = f"{one.within_limit or 0:.1%} of the reports within {duration(LIMIT)}, {ENOUGH:.0%} is the promise"
        typer.echo(f"\n{one.nodes} nodes are enough: {share}; p95 {_minutes(one.p95)}.")


def _row(row: Figures, currency: str) -> dict[str, Any]:
    return {
        "nodes": row.nodes,
        "asked": row.asked,
        "reported": row.reported,
        "copied": row.copied,
        "withdrawn": row.withdrawn,
        "p50": _minutes(row.median),
        "p95": _minutes(row.p95),
        "worst": _minutes(row.worst),
        "within 4 h": "-" if row.within_limit is None else f"{row.within_limit:.1%}",
        "wait p95": _minutes(row.wait_p95),
        "servers at once": row.most_nodes,
        "utilisation": f"{row.utilisation:.1%}",
        "node hours": row.node_hours,
        "failed launches": f"{row.failed_launches} of {row.launches}",
        "cost": money(row.cost, currency),
        "each report": money(row.cost_per_report, currency),
    }


def _minutes(value: float | None) -> str:
    return "-" if value is None else duration(timedelta(minutes=value))


def _length(one: Length) -> str:
    return duration(one.mean) + (f" ± {duration(one.spread)}, evenly" if one.spread else "")
