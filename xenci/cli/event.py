"""`xenci event`: what Gerrit told us, and what became of it."""

import getpass
from datetime import timedelta
from typing import Annotated

import typer
from sqlalchemy import select

from xenci.cli.terminal import ConfigOption, JsonOption, LimitOption, database_of, show
from xenci.clock import now
from xenci.dashboard.queries_events import found_by_day
from xenci.dashboard.twins_events import day_of
from xenci.errors import NotFound, Permanent
from xenci.services.engine import defer
from xenci.store.marks import audit
from xenci.store.tables import EventRow

app = typer.Typer(help="What Gerrit told us, and what became of it.", no_args_is_help=True)


class NothingToReplay(Permanent):
    """The event is about no change."""


@app.command("list")
def list_events(
    config: ConfigOption = None,
    json: JsonOption = False,
    change: Annotated[int | None, typer.Option(help="Only those about this change.")] = None,
    limit: LimitOption = 20,
) -> None:
    """List the latest events with what became of each."""
    query = select(EventRow).order_by(EventRow.id.desc()).limit(limit)
    if change is not None:
        query = query.where(EventRow.change == change)
    with database_of(config).session() as session:
        rows = [
            {
                "id": row.id,
                "received_at": row.received_at,
                "source": row.source,
                "type": row.type,
                "change": f"{row.change},{row.patchset}" if row.change else None,
                "outcome": row.outcome or "not looked at yet",
            }
            for row in session.scalars(query)
        ]
    columns = ("id", "received_at", "source", "type", "change", "outcome")
    show(rows, as_json=json, columns=columns, empty="no event yet")


@app.command()
def missed(
    config: ConfigOption = None,
    json: JsonOption = False,
    days: Annotated[int, typer.Option(min=1, max=3650, help="Count the runs of so many days.")] = 30,
) -> None:
    """Count for each day the runs that no event of the stream announced, and that were found all the same."""
    with database_of(config).session() as session:
        rows = [day_of(day) for day in found_by_day(session, since=now() - timedelta(days=days))]
    columns = ("day", "stream", "events_log", "reconcile", "operator", "renew", "missed")
    show(rows, as_json=json, columns=columns, empty="no run in that time")


@app.command()
def replay(
    event: Annotated[int, typer.Argument(help="The event's number, see `xenci event list`.")],
    config: ConfigOption = None,
) -> None:
    """Look at an event again, as if it were heard now. What it started already is not started twice."""
    with database_of(config).session() as session:
        row = session.get(EventRow, event)
        if row is None:
            raise NotFound(f"event {event}", brief="There is no such event", remedy="xenci event list")
        if row.change is None:
            raise NothingToReplay(f"event {event} is a {row.type}", remedy="nothing depends on it")
        row.outcome = None
        defer(session, "consider", row.change)
        audit(session, who=getpass.getuser(), what=f"event replay {event}", at=now())
        typer.echo(f"change {row.change} is looked at again; xenci change show {row.change} tells what became of it")
