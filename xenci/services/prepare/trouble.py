"""A preparation that fails: it is put off, ever longer, and an alarm says what a person can do.

How long is told by how long it has failed, so nothing is counted and a restart changes nothing. What passes by itself
is tried every two minutes at least, what needs a person every hour.
"""

from datetime import timedelta

import structlog

from xenci.errors import Permanent, XenciError
from xenci.gerrit.failures import GitFailed
from xenci.model.build import BuildsetState
from xenci.services.context import Context
from xenci.services.engine import defer
from xenci.store.marks import raise_alarm
from xenci.store.tables import BuildsetRow

_LOG = structlog.get_logger()
#: when to come again where another one works in the project's mirror
BUSY = timedelta(seconds=3)
#: the shortest pause, and the longest ones
_SHORTEST = timedelta(seconds=5)
LONGEST_TEMPORARY, LONGEST = timedelta(minutes=2), timedelta(hours=1)
#: what passes by itself is an alarm only when it has not passed after so long
_PATIENCE = timedelta(minutes=1)


def tree_alarm(change: int) -> str:
    """Return the key of the alarm that the tree of a change cannot be made."""
    return f"tree:{change}"


def put_off(ctx: Context, buildset_id: int, error: XenciError) -> None:
    """Write down why a buildset cannot be prepared, and when it is tried again."""
    at = ctx.clock()
    with ctx.database.session() as session:
        buildset = session.get_one(BuildsetRow, buildset_id, with_for_update=True)
        if buildset.state != BuildsetState.NEW:
            return
        lasted = at - buildset.created_at
        needs_person = isinstance(error, Permanent | GitFailed)
        pause = min(max(_SHORTEST, lasted / 2), LONGEST if needs_person else LONGEST_TEMPORARY)
        buildset.reasons = [f"it cannot be prepared, and is tried again: {error.sentence}".replace("\0", "�")]
        change = buildset.patchset.change
        if needs_person or lasted > _PATIENCE:
            raise_alarm(
                session,
                tree_alarm(change.number),
                brief=f"The tree of change {change.number} cannot be made",
                detail=f"{change.project} {change.branch}, buildset {buildset_id}: {error.sentence}",
                remedy=error.remedy or _remedy(ctx, error),
                at=at,
            )
        defer(session, "prepare", buildset_id, after=pause)
    _LOG.warning("buildset.put_off", buildset=buildset_id, seconds=pause.total_seconds(), error=error.sentence)


def _remedy(ctx: Context, error: XenciError) -> str:
    if isinstance(error, GitFailed):
        return f"look at the mirror below {ctx.settings.mirrors_dir}; if it is broken, remove it: it is made anew"
    return "it is tried again by itself; a new patch set ends it, too"
