"""The command line's root: the nouns, the log's format, and the one boundary where errors become sentences."""

import logging
import os
import sys
from typing import Annotated

import structlog
import typer
from sqlalchemy.exc import DataError, SQLAlchemyError

from xenci import __version__
from xenci.cli import (
    autohold,
    build,
    change,
    config,
    cost,
    db,
    doctor,
    event,
    image,
    lab,
    node,
    pool,
    report,
    serve,
    simulate,
    token,
)
from xenci.cli.terminal import EXIT_FAULT, EXIT_TEMPORARY, EXIT_USE, exit_code, tell
from xenci.errors import Permanent, Temporary, XenciError

app = typer.Typer(
    name="xenci",
    help="A third-party CI for OpenStack that tests Nova on Xen and libvirt.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for name, module in {
    "serve": serve,
    "build": build,
    "change": change,
    "event": event,
    "node": node,
    "pool": pool,
    "image": image,
    "autohold": autohold,
    "token": token,
    "report": report,
    "cost": cost,
    "simulate": simulate,
    "config": config,
    "db": db,
    "lab": lab,
}.items():
    app.add_typer(module.app, name=name)
app.command("doctor")(doctor.doctor)


@app.callback()
def root(
    context: typer.Context,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what is looked at, too.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    """Set up the log."""
    if version:
        typer.echo(f"xenci {__version__}")
        raise typer.Exit
    is_service = context.invoked_subcommand == "serve"
    set_up_log(logging.DEBUG if verbose else logging.INFO if is_service else logging.WARNING)


def set_up_log(level: int) -> None:
    """Log to standard error: colours on a terminal, JSON lines elsewhere or with XENCI_LOG=json."""
    is_terminal = sys.stderr.isatty() and os.environ.get("XENCI_LOG") != "json"
    coloured = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            coloured if is_terminal else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    # it logs with a traceback what it raises as well
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)


def run() -> None:
    """Run a command; an expected error ends as a sentence and an exit code, never as a traceback."""
    try:
        app()
    except XenciError as error:
        tell(error)
        sys.exit(exit_code(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(EXIT_FAULT)
    except DataError as error:
        tell(Permanent(str(error.orig).strip().split("\n")[0], brief="The database does not take this value"))
        sys.exit(EXIT_USE)
    except SQLAlchemyError as error:
        tell(Temporary(str(error).split("\n")[0], brief="The database failed", remedy="xenci doctor"))
        sys.exit(EXIT_TEMPORARY)
    except OSError as error:
        remedy = "run it as the user that xenci runs as, or as root" if isinstance(error, PermissionError) else ""
        tell(Permanent(str(error), brief="The system refuses", remedy=remedy))
        sys.exit(EXIT_USE)
