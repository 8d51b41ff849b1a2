"""What a step of a build works on: a snapshot of the row, read in one short transaction, and the ways to write back.

No transaction is open while a step talks to the node.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from xenci.config.models import Job, Label
from xenci.model.build import Phase, Run
from xenci.rules.absence import is_past
from xenci.services.context import Context
from xenci.store.marks import back_at
from xenci.store.tables import BuildRow, NodeRow, PhaseRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A running build as it was read at the begin of the step."""

    build_id: int
    uuid: str
    step: str
    project: str
    branch: str
    job: Job
    label: Label
    tree_sha: str
    tip_tree_sha: str
    #: other projects' trees: project and commit
    other_trees: tuple[tuple[str, str], ...]
    #: the node's row, detached
    node: NodeRow
    cancel: str | None

    def unit(self, phase: Phase, run: Run) -> str:
        """Name of a phase's detached unit: derived from our row, so that it is found again."""
        return f"xenci-{self.build_id}-{phase}-{run}"

    @property
    def folder(self) -> str:
        """Folder on the node for what the phases write."""
        return f"/var/lib/xenci/{self.build_id}"

    def limit(self, phase: Phase) -> timedelta:
        """How long a phase may take."""
        deadlines = self.job.deadlines
        return {
            Phase.TREE: deadlines.tree,
            Phase.NOVA: deadlines.nova,
            Phase.TEMPEST: deadlines.tempest,
            Phase.COLLECT: deadlines.collect,
        }[phase]


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """Where a build goes from here."""

    step: str
    #: a sentence about what happens then; None leaves it as it is
    doing: str | None = None
    #: when to look again
    after: timedelta = timedelta()


def read_work(ctx: Context, session: Session, build: BuildRow) -> Work:
    """Read a running build. Raises LookupError if it has no node."""
    node = build.node
    if node is None:
        raise LookupError(f"build {build.id} runs without a node")
    change = build.buildset.patchset.change
    job = ctx.settings.job(build.job)
    return Work(
        build_id=build.id,
        uuid=build.uuid,
        step=build.step,
        project=change.project,
        branch=change.branch,
        job=job,
        label=ctx.settings.label(job.label),
        tree_sha=build.tree_sha or "",
        tip_tree_sha=build.tip_tree_sha or "",
        other_trees=tuple((one["project"], one["tree_sha"]) for one in build.other_trees),
        node=node,
        cancel=build.cancel,
    )


def begin_phase(ctx: Context, work: Work, phase: Phase, run: Run, *, unit: str = "") -> PhaseRow:
    """Write down that a phase begins, and until when it may last; if it began before, return it as it was."""
    with ctx.database.session() as session:
        row = _phase(session, work.build_id, phase, run)
        if row is None:
            at = ctx.clock()
            row = PhaseRow(
                build_id=work.build_id,
                phase=phase,
                run=run,
                unit=unit,
                started_at=at,
                deadline_at=at + work.limit(phase),
            )
            session.add(row)
        return row


def end_phase(ctx: Context, work: Work, phase: Phase, run: Run, *, outcome: str, exit_code: int | None = None) -> None:
    """Write down how a phase ended; the first ending counts."""
    with ctx.database.session() as session:
        row = _phase(session, work.build_id, phase, run)
        if row is not None and row.finished_at is None:
            row.finished_at = ctx.clock()
            row.outcome, row.exit_code = outcome, exit_code


def is_late(ctx: Context, phase: PhaseRow) -> bool:
    """Tell whether a phase is past its deadline, and was looked at when it passed."""
    return is_over(ctx, phase.deadline_at)


def is_over(ctx: Context, deadline: datetime) -> bool:
    """Tell whether a moment has passed, and somebody looked."""
    at = ctx.clock()
    if at <= deadline:
        return False
    with ctx.database.session() as session:
        return is_past(deadline, at, back_at(session, at=at))


def _phase(session: Session, build_id: int, phase: Phase, run: Run) -> PhaseRow | None:
    return session.scalar(
        select(PhaseRow).where(PhaseRow.build_id == build_id, PhaseRow.phase == phase, PhaseRow.run == run)
    )
