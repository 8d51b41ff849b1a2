"""Prepares again what conflicted with a tip that has moved since: the tip may have brought the conflict, or ended it.

Level-triggered as all else: at an event, and with each look through open changes, the tips are asked for and compared
with those that the runs conflicted with. A run is followed on to each tip once.
"""

import structlog

from xenci.errors import XenciError
from xenci.model.build import TriggerKind
from xenci.services.again import is_wanted, run_again, still
from xenci.services.context import Context
from xenci.services.unmet import try_unmet
from xenci.store.conflicts import WITH_TIP, lasting
from xenci.store.marks import clear_alarm, open_alarms, raise_alarm
from xenci.store.tables import BuildsetRow

_LOG = structlog.get_logger()
#: runs that one look prepares again, the newest changes first; the others come with the next looks
MOST = 20
#: begin of the keys of alarms that a project's tips cannot be asked for
_ALARM = "tips:"


def renew(ctx: Context, _row: int = 0) -> None:
    """Prepare again what conflicted with another tip than its branch has now, and what lacked something. Repeatable.

    A project whose tips cannot be asked for is an alarm until it answers; it costs no other its look.
    """
    try_unmet(ctx)
    with ctx.database.session() as session:
        stuck = [
            (buildset.patchset.change.number, buildset.id, *_place(buildset))
            for buildset in session.scalars(lasting(*WITH_TIP))
            if is_wanted(ctx, buildset)
        ]
    tips = _tips(ctx, {(project, branch) for _, _, project, branch, _ in stuck})
    moved = [
        (change, number, tips[project, branch])
        for change, number, project, branch, tip in stuck
        if tips.get((project, branch), tip) != tip
    ]
    for change, number, tip in moved[:MOST]:
        _follow(ctx, change, number, tip)
    if moved:
        _LOG.info("renew.done", moved=len(moved), prepared=min(len(moved), MOST))


def _tips(ctx: Context, places: set[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Ask for the tips of these branches; those of a project that does not answer are left out."""
    found: dict[tuple[str, str], str] = {}
    failures: dict[str, XenciError] = {}
    for project in sorted({project for project, _ in places}):
        branches = sorted(branch for known, branch in places if known == project)
        try:
            tips = ctx.mirrors.tips(project, ctx.settings.gerrit.repository(project), branches)
        except XenciError as error:
            _LOG.warning("renew.skipped", project=project, error=error.sentence)
            failures[project] = error
        else:
            found |= {(project, branch): tip for branch, tip in tips.items()}
    _tell(ctx, failures)
    return found


def _tell(ctx: Context, failures: dict[str, XenciError]) -> None:
    """Raise the alarms of projects that cannot be asked; clear those of all others."""
    with ctx.database.session() as session:
        for project, error in failures.items():
            raise_alarm(
                session,
                _ALARM + project,
                brief=f"The tips of {project} cannot be asked for",
                detail=error.sentence,
                remedy=error.remedy or "it is tried again by itself",
                at=ctx.clock(),
            )
        for alarm in open_alarms(session):
            if alarm.key.startswith(_ALARM) and alarm.key.removeprefix(_ALARM) not in failures:
                clear_alarm(session, alarm.key, at=ctx.clock())


def _place(buildset: BuildsetRow) -> tuple[str, str, str]:
    """Return project, branch and tip that a run conflicted with: another project's, if what it needs there did."""
    change, conflict = buildset.patchset.change, buildset.conflict or {}
    return (
        str(conflict.get("project", change.project)),
        str(conflict.get("branch", change.branch)),
        str(conflict.get("tip", buildset.tip_sha or "")),
    )


def _follow(ctx: Context, change: int, number: int, tip: str) -> None:
    """Prepare a run that conflicted again, on a tip that it was not tried on."""
    with ctx.database.session() as session:
        buildset = still(session, change, number, *WITH_TIP)
        if buildset is not None and _place(buildset)[2] != tip:
            run_again(ctx, session, buildset, TriggerKind.TIP, tip)
