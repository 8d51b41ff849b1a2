"""`xenci serve`: the processes."""

import typer

from xenci.cli.terminal import ConfigOption, read_settings
from xenci.clock import now
from xenci.services.installation import make_ready
from xenci.store import schema
from xenci.store.database import open_database

app = typer.Typer(help="Run xenci's processes.", no_args_is_help=True)


@app.command("all")
def serve_all(config: ConfigOption = None) -> None:
    """Run listener, worker and web in one process, after bringing the database to this version."""
    from xenci.dashboard.app import create_app
    from xenci.services.context import build_context
    from xenci.services.hand import OperatorsHand
    from xenci.services.processes import run_all

    settings = read_settings(config)
    database = open_database(settings)
    make_ready(database, settings)
    ctx = build_context(settings, database=database)
    run_all(ctx, create_app(settings, database, now, OperatorsHand(settings, database)))


@app.command()
def listener(config: ConfigOption = None) -> None:
    """Listen to Gerrit. Any number may run; one listens, another takes over when it dies."""
    from xenci.services.context import build_context
    from xenci.services.processes import run_listener

    settings = read_settings(config)
    database = open_database(settings)
    schema.check(database)
    run_listener(build_context(settings, database=database))


@app.command()
def worker(config: ConfigOption = None, concurrency: int = 8) -> None:
    """Run steps. Any number may run, on any machine."""
    from xenci.services.context import build_context
    from xenci.services.engine import run_worker
    from xenci.services.steps import STEPS

    settings = read_settings(config)
    database = open_database(settings)
    schema.check(database)
    run_worker(build_context(settings, database=database), STEPS, concurrency=concurrency)


@app.command()
def web(config: ConfigOption = None) -> None:
    """Serve the dashboard."""
    from xenci.dashboard.app import create_app
    from xenci.services.hand import OperatorsHand
    from xenci.services.processes import run_web

    settings = read_settings(config)
    database = open_database(settings)
    schema.check(database)
    app = create_app(settings, database, now, OperatorsHand(settings, database))
    run_web(app, settings.web.host, settings.web.port)
