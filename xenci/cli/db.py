"""`xenci db`: the database."""

import typer

from xenci.cli.terminal import ConfigOption, read_settings
from xenci.services.installation import make_ready
from xenci.store.database import open_database

app = typer.Typer(help="The database.", no_args_is_help=True)


@app.command()
def upgrade(config: ConfigOption = None) -> None:
    """Make the tables, or bring them to this version."""
    settings = read_settings(config)
    database = open_database(settings)
    typer.echo(f"the database is at {make_ready(database, settings)}")
