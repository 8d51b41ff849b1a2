"""`xenci build`: builds, their logs, and runs by hand."""

import getpass
import sys
from typing import Annotated

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from xenci.cli.terminal import (
    ConfigOption,
    JsonOption,
    LimitOption,
    database_of,
    open_ready,
    read_settings,
    show,
    show_one,
)
from xenci.clock import now
from xenci.dashboard import twins_events
from xenci.dashboard.ansi import visible
from xenci.dashboard.queries_queue import queue_of
from xenci.errors import NotFound
from xenci.store.tables import BuildRow, TestRow

app = typer.Typer(help="Builds: one attempt at one job on one node.", no_args_is_help=True)
BuildArgument = Annotated[str, typer.Argument(help="The build's number, or the beginning of its long id.")]


@app.command("list")
def list_builds(config: ConfigOption = None, json: JsonOption = False, limit: LimitOption = 20) -> None:
    """List the latest builds."""
    with database_of(config).session() as session:
        rows = [_row(build) for build in session.scalars(select(BuildRow).order_by(BuildRow.id.desc()).limit(limit))]
    show(
        rows,
        as_json=json,
        columns=("id", "change", "job", "attempt", "state", "doing", "result", "fault", "node", "started_at"),
        empty="no build yet",
    )


@app.command()
def queue(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Show what waits, in the order in which it will start, with the reason; then what runs."""
    settings = read_settings(config)
    with open_ready(settings).session() as session:
        found = twins_events.queue(queue_of(session, settings, now()))
    if json:
        show_one(found, as_json=True)
        return
    waits = ("place", "id", "change", "project", "job", "priority", "trigger", "since", "why")
    show(found["waiting"], as_json=False, columns=waits, empty="nothing waits")
    runs = ("id", "change", "project", "job", "started_at", "doing")
    show(found["running"], as_json=False, columns=runs, empty="nothing runs")


@app.command("show")
def show_build(build: BuildArgument, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Show one build: what ran, what failed, why, and where to read on."""
    settings = read_settings(config)
    with open_ready(settings).session() as session:
        row = find(session, build)
        facts = _row(row)
        facts |= {
            "reasons": row.reasons,
            "tree": row.tree_sha,
            "tip_tree": row.tip_tree_sha,
            "carry": row.carry,
            "phases": [
                f"{p.phase} ({p.run}): {p.outcome or 'runs'}"
                + (f", {(p.finished_at - p.started_at).total_seconds():.0f} s" if p.finished_at else "")
                for p in row.phases
            ],
            "failed_tests": [f"{t.run}: {t.test_id}" for t in row.tests if t.status == "fail"],
            "evidence": [f"{e.kind}: {e.content}" for e in row.evidence],
            "logs": [a.name for a in row.artifacts],
            "page": f"{settings.web.public_url}build/{row.uuid}",
        }
    show_one(facts, as_json=json)


@app.command("tests")
def list_tests(build: BuildArgument, config: ConfigOption = None, json: JsonOption = False) -> None:
    """List a build's tests with their results."""
    with database_of(config).session() as session:
        row = find(session, build)
        query = select(TestRow).where(TestRow.build_id == row.id).order_by(TestRow.id)
        rows = [
            {
                "run": t.run,
                "status": t.status,
                "seconds": round((t.finished_at - t.started_at).total_seconds(), 1)
                if t.finished_at and t.started_at
                else None,
                "test": t.test_id,
                "detail": t.detail,
            }
            for t in session.scalars(query)
        ]
    show(rows, as_json=json, columns=("run", "status", "seconds", "test"), empty="no test was seen yet")


@app.command()
def logs(
    build: BuildArgument,
    name: Annotated[str, typer.Argument(help="One of the names that are listed without it.")] = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List a build's logs, or print one."""
    from xenci.artifacts.local import LocalStore

    settings = read_settings(config)
    with open_ready(settings).session() as session:
        uuid = find(session, build).uuid
    store = LocalStore(settings.artifacts_dir, settings.artifacts)
    if not name:
        rows = [{"name": one.name, "bytes": one.size} for one in store.list(uuid)]
        show(rows, as_json=json, columns=("name", "bytes"), empty="no log yet")
        return
    with store.open(uuid, name) as file:
        if sys.stdout.isatty():
            for line in file:
                sys.stdout.write(visible(line.decode(errors="replace")))
            return
        while piece := file.read(65536):
            sys.stdout.buffer.write(piece)


@app.command("run")
def run_change(
    change: Annotated[str, typer.Argument(help="CHANGE or CHANGE,PATCHSET, e.g. 901234,5.")],
    pipeline: Annotated[str, typer.Option(help="The pipeline; default: each that the change matches.")] = "",
    config: ConfigOption = None,
) -> None:
    """Run a change by hand, whatever ran for it before."""
    from xenci.services.byhand import run_by_hand
    from xenci.services.context import build_context

    settings = read_settings(config)
    ctx = build_context(settings)
    for buildset in run_by_hand(ctx, change, pipeline=pipeline, who=getpass.getuser()):
        typer.echo(f"buildset {buildset.id}: {settings.web.public_url}buildset/{buildset.uuid}")


@app.command()
def cancel(
    build: BuildArgument,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; kept with the build.")] = "",
    config: ConfigOption = None,
) -> None:
    """End a build; nothing is said in Gerrit."""
    from xenci.services.byhand import cancel_by_hand

    database = database_of(config)
    with database.session() as session:
        row = find(session, build)
        said = cancel_by_hand(session, row, who=getpass.getuser(), reason=reason)
    typer.echo(said)


@app.command()
def requeue(
    build: BuildArgument,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; kept in the audit.")] = "",
    config: ConfigOption = None,
) -> None:
    """Run again what a build ran that was cancelled or ended by a fault of ours: a new run of the same patch set."""
    from xenci.services.requeue import requeue as again

    settings = read_settings(config)
    with open_ready(settings).session() as session:
        row = find(session, build)
        pipelines = {pipeline.name for pipeline in settings.pipelines}
        made, is_new = again(session, row, pipelines, who=getpass.getuser(), reason=reason, at=now())
        said = f"buildset {made.id}: {settings.web.public_url}buildset/{made.uuid}"
    typer.echo(said if is_new else f"it waits or runs already as {said}")


def find(session: Session, build: str) -> BuildRow:
    """Return the build of this number or beginning of its id. Raises NotFound."""
    if build.isdigit() and len(build) < 10:
        row = session.get(BuildRow, int(build))
    else:
        found = session.scalars(select(BuildRow).where(BuildRow.uuid.startswith(build, autoescape=True)).limit(2)).all()
        row = found[0] if len(found) == 1 else None
    if row is None:
        raise NotFound(f"build {build}", brief="There is no such build", remedy="xenci build list")
    return row


def _row(build: BuildRow) -> dict[str, object]:
    patchset = build.buildset.patchset
    return {
        "id": build.id,
        "uuid": build.uuid,
        "buildset": build.buildset_id,
        "change": f"{patchset.change.number},{patchset.number}",
        "subject": patchset.change.subject,
        "job": build.job,
        "attempt": build.attempt,
        "state": build.state,
        "doing": build.doing,
        "result": build.result,
        "fault": build.fault,
        "node": build.node.name if build.node else None,
        "provider": build.node.provider if build.node else None,
        "created_at": build.created_at,
        "started_at": build.started_at,
        "finished_at": build.finished_at,
    }
