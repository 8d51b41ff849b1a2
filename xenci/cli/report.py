"""`xenci report`: the comments in Gerrit."""

import getpass
from typing import Annotated

import typer
from sqlalchemy import select

from xenci.cli.terminal import ConfigOption, JsonOption, LimitOption, database_of, show, show_one
from xenci.clock import now
from xenci.errors import NotFound
from xenci.services.engine import nudge
from xenci.store.marks import REPORTS_PAUSED, are_reports_paused, audit, set_switch
from xenci.store.tables import BuildsetRow, ReportRow

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


@app.command()
def preview(
    buildset: Annotated[str, typer.Argument(help="The buildset's number, or its page's id.")],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Print the exact comment on a buildset, with its vote, and whether Gerrit has it. Posts nothing."""
    with database_of(config).session() as session:
        known = BuildsetRow.id == int(buildset) if buildset.isdecimal() else BuildsetRow.uuid == buildset
        row = session.scalar(select(BuildsetRow).where(known))
        if row is None:
            raise NotFound(f"buildset {buildset}", brief="There is no such buildset", remedy="xenci change show CHANGE")
        for one in row.reports:
            facts = {
                "change": f"{row.patchset.change.number},{row.patchset.number}",
                "vote": one.vote,
                "tag": one.tag,
                "state": one.state,
                "reason": one.reason,
                "bytes": len(one.message.encode()),
                "message": one.message,
            }
            if json:
                show_one(facts, as_json=True)
                return
            vote = f"Verified {one.vote:+d}" if one.vote else "no vote"
            typer.echo(
                f"{facts['change']}: {vote}, {one.state}{f' ({one.reason})' if one.reason else ''}, "
                f"tag {one.tag}, {facts['bytes']} bytes\n\n{one.message}"
            )
            return
        why = " ".join(str(reason) for reason in row.reasons)
        typer.echo(f"Nothing is said: {why}" if row.result else f"It has not ended: {row.state}.")


@app.command("list")
def list_reports(config: ConfigOption = None, json: JsonOption = False, limit: LimitOption = 20) -> None:
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
