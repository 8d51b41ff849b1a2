"""`xenci image`: node images are made, tried, promoted and rolled back, or ended before that."""

from typing import Annotated

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from xenci.cli.terminal import (
    ConfigOption,
    JsonOption,
    ReasonOption,
    database_of,
    open_ready,
    read_settings,
    show,
    show_one,
    wish_of,
)
from xenci.dashboard.twins_pool import image as twin_of
from xenci.errors import NotFound
from xenci.services import image_use
from xenci.store.images import listed
from xenci.store.tables import ImageRow, NodeRow

app = typer.Typer(help="Node images: what nodes are launched from.", no_args_is_help=True)
LabelArgument = Annotated[str, typer.Argument(help="The label's name.")]
NameArgument = Annotated[str, typer.Argument(help="The image's name or number.")]
ProviderOption = Annotated[str, typer.Option("--provider", "-p", help="On this provider alone.")]
_COLUMNS = ("id", "name", "provider", "label", "state", "state_at", "recipe", "reason")


@app.command()
def build(
    label: LabelArgument,
    provider: ProviderOption = "",
    promote: Annotated[bool, typer.Option("--promote", help="Promote each as soon as it is tried.")] = False,
    reason: ReasonOption = "",
    config: ConfigOption = None,
) -> None:
    """Have an image of a label made on each cloud that offers it: prepared, proved, snapshotted, and tried once."""
    settings = read_settings(config)
    with open_ready(settings).session() as session:
        made = image_use.build_by_hand(session, settings, label, wish_of(reason), provider=provider, promote=promote)
        said = [f"{row.name} is being made on {row.provider} from {row.base}" for row in made]
    typer.echo("\n".join([*said, "xenci image list tells how far it is"]))


@app.command("list")
def list_images(
    label: Annotated[str, typer.Option("--label", "-l", help="Of this label alone.")] = "",
    provider: ProviderOption = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List images, the newest first."""
    with database_of(config).session() as session:
        rows = [twin_of(row) for row in listed(session, label=label, provider=provider, most=200)]
    show(rows, as_json=json, columns=_COLUMNS, empty="no image was made: the configured ones are used")


@app.command("show")
def show_image(name: NameArgument, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Show one image, with the nodes that were launched for it."""
    with database_of(config).session() as session:
        row = _found(session, name)
        nodes = session.scalars(select(NodeRow).where(NodeRow.image_id == row.id).order_by(NodeRow.id))
        told = twin_of(row) | {"nodes": [f"{node.name}: {node.state}: {node.reason}" for node in nodes]}
    show_one(told, as_json=json)


@app.command()
def promote(name: NameArgument, reason: ReasonOption = "", config: ConfigOption = None) -> None:
    """Have nodes of its label launched from an image that was tried, from now on."""
    with database_of(config).session() as session:
        said = image_use.promote_by_hand(session, _found(session, name), wish_of(reason))
    typer.echo(said)


@app.command()
def cancel(name: NameArgument, reason: ReasonOption = "", config: ConfigOption = None) -> None:
    """End an image that is being made; its node and what the cloud has of it are deleted."""
    with database_of(config).session() as session:
        said = image_use.cancel_by_hand(session, _found(session, name), wish_of(reason))
    typer.echo(said)


@app.command()
def rollback(
    label: LabelArgument, provider: ProviderOption = "", reason: ReasonOption = "", config: ConfigOption = None
) -> None:
    """Go back to the image before, or to the configured one; nodes that run stay as they are."""
    settings = read_settings(config)
    with open_ready(settings).session() as session:
        said = image_use.rollback_by_hand(session, settings, label, wish_of(reason), provider=provider)
    typer.echo("\n".join(said))


def _found(session: Session, name: str) -> ImageRow:
    """Return the image of this name or number. Raises NotFound."""
    is_number = name.isascii() and name.isdigit() and len(name) < 10
    row = session.scalar(select(ImageRow).where(ImageRow.id == int(name) if is_number else ImageRow.name == name))
    if row is None:
        raise NotFound(name[:80], brief="There is no such image", remedy="xenci image list")
    return row
