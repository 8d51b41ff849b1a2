"""`xenci pool`: what an operator says of clouds and labels; it wins over the configuration until it is taken back."""

from collections.abc import Callable
from typing import Annotated

import typer
from sqlalchemy.orm import Session

from xenci.cli.terminal import (
    ConfigOption,
    JsonOption,
    ReasonOption,
    open_ready,
    read_settings,
    show,
    show_one,
    wish_of,
)
from xenci.clock import now
from xenci.config.models import Settings
from xenci.dashboard import twins_pool
from xenci.dashboard.queries_pool import pool_of
from xenci.errors import ConfigError
from xenci.services import overrides

app = typer.Typer(help="The pool: how many nodes, and where.", no_args_is_help=True)
ProviderArgument = Annotated[str, typer.Argument(help="The provider's name.")]
LabelArgument = Annotated[str, typer.Argument(help="The label's name.")]
FigureArgument = Annotated[int | None, typer.Argument(help="The figure; not with --reset.", show_default=False)]
ResetOption = Annotated[bool, typer.Option("--reset", help="As configured again.")]


@app.command("show")
def show_pool(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Show labels and clouds with the figures that count now, who set them, and which circuits are open."""
    settings = read_settings(config)
    with open_ready(settings).session() as session:
        found = twins_pool.pool(pool_of(session, settings, now()))
    if json:
        show_one(found, as_json=True)
        return
    labels = ("name", "min_ready", "max_nodes", "ready", "coming", "in_use", "held", "waiting", "set_by")
    show(found["labels"], as_json=False, columns=labels, empty="no label")
    typer.echo()
    clouds = ("name", "state", "nodes", "max_servers", "quota", "weight", "least_share", "set_by")
    show(found["providers"], as_json=False, columns=clouds, empty="no provider")
    if found["breakers"]:
        typer.echo()
        circuits = ("provider", "label", "reason", "state", "failures", "until", "last")
        show(found["breakers"], as_json=False, columns=circuits, empty="")


@app.command()
def scale(
    name: Annotated[str, typer.Argument(help="A provider (its max_servers) or a label (its max_nodes).")],
    value: FigureArgument = None,
    reset: ResetOption = False,
    reason: ReasonOption = "",
    config: ConfigOption = None,
) -> None:
    """Say how many servers a provider, or nodes a label, may have at most."""
    figure = _figure(value, reset)
    _do(config, lambda session, settings: overrides.scale(session, settings, name, figure, wish_of(reason)))


@app.command("min-ready")
def min_ready(
    name: LabelArgument,
    value: FigureArgument = None,
    reset: ResetOption = False,
    reason: ReasonOption = "",
    config: ConfigOption = None,
) -> None:
    """Say how many nodes of a label are kept ready."""
    figure = _figure(value, reset)
    _do(config, lambda session, settings: overrides.min_ready(session, settings, name, figure, wish_of(reason)))


@app.command()
def drain(name: ProviderArgument, reason: ReasonOption = "", config: ConfigOption = None) -> None:
    """Launch nothing on a provider and give up its ready nodes; its running builds end, held nodes stay."""
    _do(config, lambda session, settings: overrides.drain(session, settings, name, wish_of(reason)))


@app.command()
def enable(name: ProviderArgument, reason: ReasonOption = "", config: ConfigOption = None) -> None:
    """Use a drained provider again."""
    _do(config, lambda session, settings: overrides.enable(session, settings, name, wish_of(reason)))


def _figure(value: int | None, reset: bool) -> int | None:
    if (value is None) != reset:
        raise ConfigError("write a figure, or --reset", brief="This is not a command")
    return value


def _do(config: ConfigOption, call: Callable[[Session, Settings], str]) -> None:
    settings = read_settings(config)
    with open_ready(settings).session() as session:
        said = call(session, settings)
    typer.echo(said)
