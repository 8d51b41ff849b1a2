"""Tries again what could not be tested with what it needs: that may be merged, restored, pushed or shown by now.

No event tells when, as what is needed may be any project's. So it is looked at with each look through open changes for
an hour after it was asked for, and once an hour from then on, for as long as the change is open.
"""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from xenci.model.build import TriggerKind
from xenci.model.outcome import Result
from xenci.services.again import AGAIN, is_wanted, run_again, still
from xenci.services.context import Context
from xenci.store.conflicts import lasting
from xenci.store.tables import BuildsetRow

_LOG = structlog.get_logger()
#: for how long a run counts as asked for lately, the pause between two tries of it, and that of all others
_LATELY, _SOON, _LATER = timedelta(hours=1), timedelta(minutes=1), timedelta(hours=1)
#: runs that one look tries again, those first that wait longest; the others come with the next looks
MOST = 20


def try_unmet(ctx: Context) -> None:
    """Prepare again what lacks something that it needs, where its pause is over. Repeatable."""
    with ctx.database.session() as session:
        due = _due(ctx, session)
    for _, change, number in due[:MOST]:
        with ctx.database.session() as session:
            buildset = still(session, change, number, Result.DEPENDENCY_UNMET)
            if buildset is not None:
                run_again(ctx, session, buildset, TriggerKind.NEED, "again")
    if due:
        _LOG.info("unmet.done", due=len(due), prepared=min(len(due), MOST))


def _due(ctx: Context, session: Session) -> list[tuple[datetime, int, int]]:
    """Return when runs whose pause is over were tried, with their changes and ids, the oldest try first."""
    asked = aliased(BuildsetRow)
    same = (asked.patchset_id == BuildsetRow.patchset_id, asked.pipeline == BuildsetRow.pipeline)
    asked_at = select(func.max(asked.triggered_at)).where(*same, asked.trigger.not_in(AGAIN)).scalar_subquery()
    now = ctx.clock()
    found: list[tuple[datetime, int, int]] = []
    for buildset, at in session.execute(lasting(Result.DEPENDENCY_UNMET).add_columns(asked_at)):
        pause = _SOON if at is not None and now - at < _LATELY else _LATER
        ended = buildset.finished_at
        if ended is not None and now - ended >= pause and is_wanted(ctx, buildset):
            found.append((ended, buildset.patchset.change.number, buildset.id))
    return sorted(found)
