"""`xenci autohold`: standing wishes to hold nodes, by Zuul's word."""

import getpass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from xenci.cli.terminal import (
    ConfigOption,
    JsonOption,
    ReasonOption,
    database_of,
    open_ready,
    read_duration,
    read_key,
    read_settings,
    show,
    wish_of,
)
from xenci.model.pool import Autohold, Terms
from xenci.services.autoholds import add_autohold, end_autohold
from xenci.store.holds import standing_wishes
from xenci.store.tables import AutoholdRow

app = typer.Typer(help="Automatic holds: keep the next nodes on which something ends so.", no_args_is_help=True)
HoldReason = Annotated[str, typer.Option("--reason", "-r", help="Why; shown with the node.")]
OwnerOption = Annotated[str, typer.Option("--owner", help="Whom it is held for; default: you.", show_default=False)]
ForOption = Annotated[str, typer.Option("--for", help="For how long: 90m, 24h, 2d.")]
KeyOption = Annotated[
    Path | None,
    typer.Option("--key", help="The owner's public key, a .pub file; it is on the node while it is held."),
]


@app.command()
def add(
    reason: HoldReason,
    job: Annotated[str | None, typer.Option(help="Hold nodes on which builds of this job end so.")] = None,
    result: Annotated[list[str] | None, typer.Option(help="How a build ends, e.g. FAILURE; may be repeated.")] = None,
    change: Annotated[int | None, typer.Option(help="Builds of this change alone.")] = None,
    label: Annotated[str | None, typer.Option(help="Hold nodes of this label whose launch fails.")] = None,
    failure: Annotated[list[str] | None, typer.Option(help="ssh, xen, boot or network; may be repeated.")] = None,
    count: Annotated[int, typer.Option(help="How many nodes.")] = 1,
    owner: OwnerOption = "",
    length: ForOption = "24h",
    key: KeyOption = None,
    config: ConfigOption = None,
) -> None:
    """Hold the next nodes on which builds of a job, or launches of a label, end so."""
    settings = read_settings(config)
    endings = (result or ["FAILURE"]) if job else (failure or ["ssh", "xen"])
    what = Autohold(job=job, label=label, change=change, endings=tuple(endings), count=count)
    terms = terms_of(owner, reason, length, key)
    with open_ready(settings).session() as session:
        row = add_autohold(session, settings, what, terms, wish_of(reason))
        said = f"autohold {row.id}: the next {row.left} of {row.job or row.label} that end as {', '.join(row.endings)}"
    typer.echo(said)


@app.command("list")
def list_autoholds(config: ConfigOption = None, json: JsonOption = False) -> None:
    """List the wishes that still hold nodes."""
    with database_of(config).session() as session:
        rows = [_row(one) for one in standing_wishes(session)]
    columns = ("id", "of", "change", "endings", "left", "owner", "for", "reason", "made_by", "made_at")
    show(rows, as_json=json, columns=columns, empty="nothing is held by itself")


@app.command()
def delete(
    number: Annotated[int, typer.Argument(help="Its number.")], reason: ReasonOption = "", config: ConfigOption = None
) -> None:
    """Take a wish back. What it holds already stays held."""
    with database_of(config).session() as session:
        said = end_autohold(session, number, wish_of(reason))
    typer.echo(said)


def terms_of(owner: str, reason: str, length: str, key: Path | None) -> Terms:
    """Return the terms of a hold as they were typed. Raises ConfigError."""
    return Terms(
        owner=owner or getpass.getuser(),
        reason=reason,
        length=read_duration(length),
        public_key=read_key(key) if key else None,
    )


def _row(one: AutoholdRow) -> dict[str, object]:
    return {
        "id": one.id,
        "of": f"job {one.job}" if one.job else f"label {one.label}",
        "change": one.change,
        "endings": one.endings,
        "left": one.left,
        "owner": one.owner,
        "for": str(timedelta(seconds=one.seconds)),
        "reason": one.reason,
        "made_by": one.made_by,
        "made_at": one.made_at,
    }
