"""`xenci report`: the comments in Gerrit."""

import getpass
from typing import Annotated

import typer
from sqlalchemy import select

from xenci.cli.terminal import ConfigOption, JsonOption, database_of, show
from xenci.clock import now
from xenci.services.engine import nudge
from xenci.store.marks import REPORTS_PAUSED, are_reports_paused, audit, set_switch
from xenci.store.tables import ReportRow

app = typer.Typer(help="The comments in Gerrit.", no_args_is_help=True)
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; kept in the audit.")]


@app.command()
def pause(config: ConfigOption = None, reason: Reason = "") -> None:
    """Stop all posting at once. It survives a restart; what is to be said waits in the outbox."""
    _set(config, True, reason)
    typer.echo("posting is paused; xenci report resume goes on")


@app.command()
def resume(config: ConfigOption = None, reason: Reason = "") -> None:
    """Post again, beginning with what waits."""
    _set(config, False, reason)
    typer.echo("posting goes on")


@app.command("list")
def list_reports(config: ConfigOption = None, json: JsonOption = False, limit: int = 20) -> None:
    """List the latest reports and whether Gerrit has them."""
    with database_of(config).session() as session:
        if not json and are_reports_paused(session):
            typer.echo("posting is paused: xenci report resume")
        rows = [
            {
                "id": row.id,
                "change": f"{row.buildset.patchset.change.number},{row.buildset.patchset.number}",
                "state": row.state,
                "vote": row.vote,
                "attempts": row.attempts,
                "created_at": row.created_at,
                "posted_at": row.posted_at,
                "reason": row.reason,
                "message": row.message,
            }
            for row in session.scalars(select(ReportRow).order_by(ReportRow.id.desc()).limit(limit))
        ]
    show(
        rows,
        as_json=json,
        columns=("id", "change", "state", "vote", "attempts", "created_at", "posted_at", "reason"),
        empty="no report yet",
    )


def _set(config: ConfigOption, paused: bool, reason: str) -> None:
    at = now()
    who = getpass.getuser()
    with database_of(config).session() as session:
        set_switch(session, REPORTS_PAUSED, {"paused": paused, "reason": reason}, by=who, at=at)
        audit(session, who=who, what="report pause" if paused else "report resume", reason=reason, at=at)
        if not paused:
            for row in session.scalars(select(ReportRow).where(ReportRow.state == "pending")):
                nudge(session, "report", row.id)
