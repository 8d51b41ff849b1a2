"""How the command line speaks: tables for people, JSON for programs, one sentence and an exit code for errors."""

import getpass
import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from xenci.clock import now
from xenci.config.load import default_path, load
from xenci.config.models import Settings, parse_duration
from xenci.dashboard.ansi import visible
from xenci.errors import ConfigError, NotFound, Temporary, XenciError
from xenci.lab.paths import LabPaths
from xenci.lab.settings import environment
from xenci.model.pool import Wish
from xenci.rules.holds import read_public_key
from xenci.store import schema
from xenci.store.database import Database, cluster_of, open_database

#: exit codes: a fault in xenci, wrong use or configuration, try again later, not there
EXIT_FAULT, EXIT_USE, EXIT_TEMPORARY, EXIT_NOT_FOUND = 1, 2, 3, 4

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="XENCI_CONFIG", help="The configuration file.", show_default=False),
]
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="At most so many, the newest first.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ReasonOption = Annotated[str, typer.Option("--reason", "-r", help="Why; kept in the audit.")]


class LabIsDown(Temporary):
    """The lab is down: its database does not run."""


def read_settings(path: Path | None) -> Settings:
    """Load the configuration that the option, XENCI_CONFIG or the default places name; else this machine's lab's."""
    chosen = path or default_path()
    if path is None and not chosen.exists() and (lab := _lab()):
        typer.echo(f"This is a lab: {lab}", err=True)
        chosen = lab
    return load(chosen)


def _lab() -> Path | None:
    """Return the configuration of this machine's lab, if there is one, with its secrets in our environment."""
    paths = LabPaths.of_environment()
    if not (os.access(paths.config, os.R_OK) and os.access(paths.secrets, os.R_OK)):
        return None
    for name, value in environment(paths).items():
        os.environ.setdefault(name, value)
    return paths.config


def open_ready(settings: Settings) -> Database:
    """Open the database.

    Raises WrongSchema if it was not made ready for this version, and LabIsDown instead of starting the database of a
    lab that was ended.
    """
    cluster = cluster_of(settings)
    if settings.is_lab and cluster is not None and cluster.pid is None:
        raise LabIsDown(str(settings.state_dir), remedy="xenci lab up")
    database = open_database(settings)
    schema.check(database)
    return database


def database_of(path: Path | None) -> Database:
    """Open the database of the configuration."""
    return open_ready(read_settings(path))


def wish_of(reason: str = "") -> Wish:
    """Return who types this, why, and when."""
    return Wish(who=getpass.getuser(), reason=reason, at=now())


def read_duration(text: str) -> timedelta:
    """Return the duration that somebody typed: 90m, 24h, 2d. Raises ConfigError."""
    try:
        length = parse_duration(text)
    except ValueError as error:
        raise ConfigError(str(error), brief="This is no duration") from error
    assert isinstance(length, timedelta)
    return length


def read_key(path: Path) -> str:
    """Return the public key in a file. Raises ConfigError."""
    key = read_public_key(path.read_text(errors="replace")) if path.is_file() else None
    if key is None:
        raise ConfigError(str(path), brief="This is no public key", remedy="name a .pub file, never the private key")
    return key


def show(rows: Iterable[dict[str, Any]], *, as_json: bool, columns: Sequence[str], empty: str) -> None:
    """Print rows as a table of these columns, or all they hold as JSON."""
    listed = list(rows)
    if as_json:
        typer.echo(json.dumps(listed, indent=2, default=_plain))
        return
    if not listed:
        typer.echo(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in listed:
        # what nodes, clouds and Gerrit say is text: no markup, and no sequence that a terminal would obey
        table.add_row(*(Text(visible(_cell(row.get(column)))) for column in columns))
    # a pipe has no width: what reads it wants whole lines
    console = Console() if sys.stdout.isatty() else Console(width=250)
    console.print(table)


def show_one(row: dict[str, Any], *, as_json: bool) -> None:
    """Print one thing, a line for each of its facts."""
    if as_json:
        typer.echo(json.dumps(row, indent=2, default=_plain))
        return
    width = max(len(name) for name in row)
    for name, value in row.items():
        lines = visible(_cell(value)).splitlines() or [""]
        typer.echo(f"{name.replace('_', ' '):<{width}}  {lines[0]}")
        for line in lines[1:]:
            typer.echo(f"{'':<{width}}  {line}")


def exit_code(error: XenciError) -> int:
    """Return the exit code that an error is worth."""
    match error:
        case NotFound():
            return EXIT_NOT_FOUND
        case ConfigError():
            return EXIT_USE
        case Temporary():
            return EXIT_TEMPORARY
        case _:
            return EXIT_USE


def tell(error: XenciError) -> None:
    """Print an error: what, where, and what to do."""
    lines = [f"{error.brief.rstrip('.')}:"] + [f"  {line}" for line in error.detail.splitlines()]
    if not error.detail:
        lines = [error.brief]
    if error.remedy:
        lines.append(f"To mend it: {error.remedy}")
    print("\n".join(lines), file=sys.stderr)  # noqa: T201


def _cell(value: Any) -> str:
    match value:
        case None:
            return "-"
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        case list() | tuple():
            return "\n".join(_cell(one) for one in value)
        case dict():
            return json.dumps(value, default=_plain)
        case _:
            return str(value)


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
