"""`xenci config`: is the configuration right, and what may stand in it."""

import json

import typer

from xenci.cli.terminal import ConfigOption, read_settings
from xenci.config.load import default_path, schema

app = typer.Typer(help="The configuration.", no_args_is_help=True)


@app.command()
def check(config: ConfigOption = None) -> None:
    """Say whether the configuration is usable, and if not, a line for each mistake."""
    settings = read_settings(config)
    typer.echo(
        f"{config or default_path()}: usable. "
        f"{len(settings.providers)} providers, {len(settings.labels)} labels, {len(settings.jobs)} jobs, "
        f"{len(settings.pipelines)} pipelines"
    )


@app.command("schema")
def print_schema() -> None:
    """Print the JSON schema, for editors."""
    typer.echo(json.dumps(schema(), indent=2))
