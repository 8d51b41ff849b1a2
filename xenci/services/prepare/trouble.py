"""A preparation that fails: it is put off, ever longer, and an alarm says what a person can do.

How long is told by how long it has failed, so nothing is counted and a restart changes nothing. A Gerrit that is away
is asked every two minutes at least; all else is tried once an hour in the end, soonest what may pass by itself.
"""

from datetime import timedelta

import structlog

from xenci.errors import NotFound, Permanent, XenciError
from xenci.gerrit.failures import FetchFailed, GerritDown, GitFailed, NotGerrit
from xenci.model.build import BuildsetState
from xenci.services.context import Context
from xenci.services.engine import defer
from xenci.store.marks import raise_alarm
from xenci.store.tables import BuildsetRow

_LOG = structlog.get_logger()
#: when to come again where another one works in the project's mirror
BUSY = timedelta(seconds=3)
#: the shortest pause, and the longest ones: while Gerrit is away, and for all else
_SHORTEST = timedelta(seconds=5)
LONGEST_AWAY, LONGEST = timedelta(minutes=2), timedelta(hours=1)
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
        longest = LONGEST_AWAY if isinstance(error, GerritDown | NotGerrit) else LONGEST
        pause = min(max(_SHORTEST, lasted / (2 if needs_person else 10)), longest)
        buildset.reasons = [f"it cannot be prepared, and is tried again: {error.sentence}".replace("\0", "�")]
        change = buildset.patchset.change
        if lasted > _PATIENCE or _is_lasting(error):
            raise_alarm(
                session,
                tree_alarm(change.number),
                brief=f"The tree of change {change.number} cannot be made",
                detail=f"{change.project} {change.branch}, buildset {buildset_id}: {error.sentence}",
                remedy=_remedy(ctx, error),
                at=at,
            )
        defer(session, "prepare", buildset_id, after=pause)
    _LOG.warning("buildset.put_off", buildset=buildset_id, seconds=pause.total_seconds(), error=error.sentence)


def _is_lasting(error: XenciError) -> bool:
    """Tell whether waiting a minute could not help; what is not found may be on its way to the server that is asked."""
    return isinstance(error, Permanent) and not isinstance(error, NotFound)


def _remedy(ctx: Context, error: XenciError) -> str:
    mirror = f"the mirror below {ctx.settings.mirrors_dir} may be broken: remove it, and it is made anew"
    if isinstance(error, FetchFailed):
        return f"{error.remedy}; if it answers, {mirror}"
    if isinstance(error, GitFailed):
        return error.remedy or mirror
    return error.remedy or "it is tried again by itself; a new patch set ends it, too"
