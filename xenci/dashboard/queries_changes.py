"""Finds changes and buildsets with all that happened to them."""

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, selectinload

from xenci.errors import NotFound
from xenci.store.tables import BuildRow, BuildsetRow, ChangeRow, CommentRow, EventRow, PatchsetRow

#: patch sets of one change that a page shows
_MOST_PATCHSETS = 40


def change_by_number(session: Session, number: int) -> ChangeRow:
    """Return a change. Raises NotFound."""
    row = session.scalar(select(ChangeRow).where(ChangeRow.number == number))
    if row is None:
        raise NotFound(
            f"no change has the number {number} here",
            remedy="xenci learns of a change by Gerrit's events and by looking through open changes",
        )
    return row


def patchsets_of(session: Session, change: ChangeRow) -> list[PatchsetRow]:
    """Return the patch sets of a change, newest first, with buildsets, builds and reports."""
    return list(
        session.scalars(
            select(PatchsetRow)
            .where(PatchsetRow.change_id == change.id)
            .order_by(PatchsetRow.number.desc())
            .limit(_MOST_PATCHSETS)
            .options(
                selectinload(PatchsetRow.buildsets).selectinload(BuildsetRow.builds).joinedload(BuildRow.node),
                selectinload(PatchsetRow.buildsets).selectinload(BuildsetRow.reports),
            )
        )
    )


def comments_of(session: Session, change: ChangeRow) -> list[CommentRow]:
    """Return the messages in Gerrit that mattered, newest first."""
    return list(
        session.scalars(
            select(CommentRow).where(CommentRow.change == change.number).order_by(CommentRow.posted_at.desc()).limit(50)
        )
    )


def events_of(session: Session, change: ChangeRow) -> list[EventRow]:
    """Return what was heard about a change, newest first."""
    return list(
        session.scalars(select(EventRow).where(EventRow.change == change.number).order_by(EventRow.id.desc()).limit(50))
    )


def buildset_by_uuid(session: Session, uuid: str) -> BuildsetRow:
    """Return a buildset with its builds and its report. Raises NotFound."""
    row = session.scalar(
        select(BuildsetRow)
        .where(BuildsetRow.uuid == uuid)
        .options(
            joinedload(BuildsetRow.patchset).joinedload(PatchsetRow.change),
            selectinload(BuildsetRow.builds).joinedload(BuildRow.node),
            selectinload(BuildsetRow.reports),
        )
    )
    if row is None:
        raise NotFound(f"no buildset has the address {uuid[:80]!r}", remedy="look for its change in the list of builds")
    return row
