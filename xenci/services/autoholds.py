"""Standing wishes to hold nodes: by job and result, or by label and the reason of a launch that failed; by count."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from xenci.config.models import Settings
from xenci.errors import NotFound
from xenci.model.node import LaunchFailure
from xenci.model.outcome import Result
from xenci.model.pool import Autohold, Terms, Wish
from xenci.services.holds import CannotHold, check_terms
from xenci.store.marks import audit
from xenci.store.tables import AutoholdRow

#: what a build on a node never ends as
_NODELESS = frozenset({Result.SKIPPED, Result.MERGE_CONFLICT, Result.CARRY_CONFLICT})
#: launches that leave no server to look at
_SERVERLESS = frozenset({LaunchFailure.QUOTA, LaunchFailure.CAPACITY, LaunchFailure.API, LaunchFailure.CONFIG})
_MOST = 100


def add_autohold(session: Session, settings: Settings, what: Autohold, terms: Terms, wish: Wish) -> AutoholdRow:
    """Have the next nodes held on which something ends so. Raises CannotHold."""
    check_terms(terms)
    _check(settings, what)
    row = AutoholdRow(
        job=what.job,
        label=what.label,
        change=what.change,
        endings=sorted(set(what.endings)),
        left=what.count,
        owner=terms.owner,
        reason=terms.reason,
        seconds=int(terms.length.total_seconds()),
        public_key=terms.public_key,
        made_by=wish.who,
        made_at=wish.at,
    )
    session.add(row)
    session.flush()
    said = f"autohold add {row.id}: {what.job or what.label} {' '.join(row.endings)}, {what.count} times"
    audit(session, who=wish.who, what=said, reason=terms.reason, at=wish.at)
    return row


def end_autohold(session: Session, number: int, wish: Wish) -> str:
    """Take a standing wish back; what it holds already stays held. Returns what is said. Raises NotFound."""
    row = session.scalar(select(AutoholdRow).where(AutoholdRow.id == number).with_for_update())
    if row is None:
        raise NotFound(f"autohold {number}", brief="There is no such automatic hold", remedy="xenci autohold list")
    if row.ended_at is not None:
        return f"autohold {number} has ended already"
    row.ended_at = wish.at
    audit(session, who=wish.who, what=f"autohold delete {number}", reason=wish.reason, at=wish.at)
    return f"autohold {number} holds no more nodes"


def _check(settings: Settings, what: Autohold) -> None:
    if (what.job is None) == (what.label is None):
        raise CannotHold("builds of a job or launches of a label are held", remedy="name either a job or a label")
    if what.job is not None:
        _one_of("job", (what.job,), [job.name for job in settings.jobs if not job.noop])
        _one_of("result", what.endings, [str(one) for one in Result if one not in _NODELESS])
    if what.label is not None:
        _one_of("label", (what.label,), [label.name for label in settings.labels])
        _one_of("failure", what.endings, [str(one) for one in LaunchFailure if one not in _SERVERLESS])
    if not 1 <= what.count <= _MOST:
        raise CannotHold(f"{what.count} nodes", remedy=f"hold from 1 to {_MOST}")


def _one_of(kind: str, names: tuple[str, ...], known: list[str]) -> None:
    wrong = [name for name in names if name not in known]
    if wrong or not names:
        found = f"{kind} {wrong[0][:80]!r} is none" if wrong else f"no {kind} is named"
        raise CannotHold(found, remedy=f"there are {', '.join(known)}")
