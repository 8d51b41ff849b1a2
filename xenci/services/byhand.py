"""What an operator starts and ends by hand."""

import re
import secrets
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from xenci.clock import now
from xenci.errors import NotFound, Permanent
from xenci.model.build import BuildsetState, BuildState, FoundBy, TriggerKind
from xenci.model.outcome import Fault, Result
from xenci.rules.relevance import refuse
from xenci.services.context import Context
from xenci.services.engine import defer
from xenci.services.record import save_patchset
from xenci.store.marks import audit
from xenci.store.tables import BuildRow, BuildsetRow, ChangeRow


class CannotRun(Permanent):
    """The change cannot be run."""


def run_by_hand(ctx: Context, change: str, *, pipeline: str, who: str) -> list[BuildsetRow]:
    """Start a change, `901234` or `901234,5`, in a pipeline or in each that wants it. Raises CannotRun, NotFound."""
    found = re.fullmatch(r"(\d{1,9})(?:,(\d{1,5}))?", change.strip())
    if not found:
        raise CannotRun(f"{change!r} is no change", remedy="write CHANGE or CHANGE,PATCHSET, e.g. 901234,5")
    number = int(found[1])
    with ctx.database.session() as session:
        # by project and number Gerrit finds it without its index
        project = session.scalar(select(ChangeRow.project).where(ChangeRow.number == number)) or ""
    view = ctx.gerrit.change(number, project=project)
    wanted = int(found[2]) if found[2] else view.patchset.number
    patchset = next((p for p in (view.patchset, *view.patchsets) if p.number == wanted), None)
    if patchset is None:
        raise NotFound(f"{change}: the newest is {view.patchset.number}", brief="There is no such patch set")
    names = {p.name for p in ctx.settings.pipelines}
    if pipeline and pipeline not in names:
        raise CannotRun(f"no pipeline is named {pipeline}", remedy=f"there are {', '.join(sorted(names))}")
    refusals = {p.name: refuse(patchset, p.trigger) for p in ctx.settings.pipelines}
    pipelines = [pipeline] if pipeline else [name for name, refusal in refusals.items() if refusal is None]
    if not pipelines:
        raise CannotRun(" ".join(filter(None, refusals.values())), remedy="name a pipeline by --pipeline")
    at = ctx.clock()
    with ctx.database.session() as session:
        row = save_patchset(session, patchset)
        made = []
        for name in pipelines:
            made.append(add_run(session, row.id, name, f"{patchset.label}:{name}:operator:", who=who, at=at))
        audit(session, who=who, what=f"build run {change}", at=at)
    return made


def add_run(session: Session, patchset_id: int, pipeline: str, prefix: str, *, who: str, at: datetime) -> BuildsetRow:
    """Make a run that an operator asked for, whatever ran before; its key begins with `prefix`."""
    made = BuildsetRow(
        patchset_id=patchset_id,
        pipeline=pipeline,
        trigger=TriggerKind.OPERATOR,
        trigger_key=prefix + secrets.token_hex(4),
        asked_by=who,
        found_by=FoundBy.OPERATOR,
        uuid=secrets.token_hex(16),
        state=BuildsetState.NEW,
        reasons=[],
        triggered_at=at,
        created_at=at,
    )
    session.add(made)
    session.flush()
    defer(session, "prepare", made.id)
    return made


def cancel_by_hand(session: Session, build: BuildRow, *, who: str, reason: str) -> str:
    """End a build; return a sentence about what happens."""
    at = now()
    why = f"cancelled by {who}" + (f": {reason}" if reason else "")
    audit(session, who=who, what=f"build cancel {build.id}", reason=reason, at=at)
    session.get_one(BuildsetRow, build.buildset_id, with_for_update=True, populate_existing=True)
    session.refresh(build, with_for_update=True)
    match build.state:
        case BuildState.DONE:
            return f"build {build.id} has ended already: {build.result}"
        case BuildState.RUNNING:
            build.cancel = why
            defer(session, "advance", build.id)
            return f"build {build.id} ends at its next step"
        case _:
            build.state, build.result, build.fault = BuildState.DONE, Result.ABORTED, Fault.NONE
            build.reasons, build.finished_at = [why], at
            others = select(BuildRow.id).where(
                BuildRow.buildset_id == build.buildset_id, BuildRow.state != BuildState.DONE, BuildRow.id != build.id
            )
            if session.scalar(others.limit(1)) is None:
                buildset = build.buildset
                buildset.state, buildset.result, buildset.fault = BuildsetState.DONE, Result.ABORTED, Fault.NONE
                buildset.reasons, buildset.finished_at = [why], at
            return f"build {build.id} will not start"
