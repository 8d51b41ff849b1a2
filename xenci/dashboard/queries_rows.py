"""Finds the rows behind a number of the readiness page, by kind and ids."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, selectinload

from xenci.store.tables import BuildRow, BuildsetRow, CommentRow, PatchsetRow, ReportRow

#: rows that a page shows
_MOST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows of one kind; the other kinds are empty."""

    patchsets: tuple[PatchsetRow, ...] = ()
    buildsets: tuple[BuildsetRow, ...] = ()
    builds: tuple[BuildRow, ...] = ()
    comments: tuple[CommentRow, ...] = ()
    providers: tuple[str, ...] = ()


def rows_of(session: Session, kind: str, ids: Sequence[int | str]) -> Rows:
    """Return the rows, newest first; of reports their buildsets."""
    some = [one for one in ids if isinstance(one, int)][:_MOST]
    below = (selectinload(BuildsetRow.builds), selectinload(BuildsetRow.reports))
    of_buildset = (joinedload(BuildsetRow.patchset).joinedload(PatchsetRow.change), *below)
    (joinedload(PatchsetRow.change), selectinload(PatchsetRow.buildsets).options(*below))
    match kind:
        case "patchsets":
            return Rows(
                patchsets=tuple(
                    session.scalars(
                        select(PatchsetRow)
                        .where(PatchsetRow.id.in_(some))
                        .order_by(PatchsetRow.id.desc())
                        .options(
                            joinedload(PatchsetRow.change),
                            selectinload(PatchsetRow.buildsets).options(*of_buildset[1:]),
                        )
                    )
                )
            )
        case "buildsets" | "reports":
            query = select(BuildsetRow).order_by(BuildsetRow.id.desc()).options(*of_buildset)
            if kind == "reports":
                wanted = select(ReportRow.buildset_id).where(ReportRow.id.in_(some))
                return Rows(buildsets=tuple(session.scalars(query.where(BuildsetRow.id.in_(wanted)))))
            return Rows(buildsets=tuple(session.scalars(query.where(BuildsetRow.id.in_(some)))))
        case "builds":
            return Rows(
                builds=tuple(
                    session.scalars(
                        select(BuildRow)
                        .where(BuildRow.id.in_(some))
                        .order_by(BuildRow.id.desc())
                        .options(joinedload(BuildRow.buildset).options(*of_buildset))
                    )
                )
            )
        case "comments":
            query_comments = select(CommentRow).where(CommentRow.id.in_(some)).order_by(CommentRow.id.desc())
            return Rows(comments=tuple(session.scalars(query_comments)))
        case _:
            return Rows(providers=tuple(str(one) for one in ids))
