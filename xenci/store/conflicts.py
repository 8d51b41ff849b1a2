"""Finds the changes that conflict now: their newest run ended so, on the current patch set of an open change."""

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import Session, aliased, joinedload

from xenci.model.outcome import Result
from xenci.store.tables import BuildsetRow, ChangeRow, PatchsetRow

#: conflicts that may end when the branch's tip moves
WITH_TIP = (Result.MERGE_CONFLICT, Result.CARRY_CONFLICT)


def lasting(*results: Result) -> Select[BuildsetRow]:
    """Return the query for the newest runs of open changes, one for each pipeline, that ended with such a result."""
    newer_run, newer_patchset = aliased(BuildsetRow), aliased(PatchsetRow)
    return (
        select(BuildsetRow)
        .join(PatchsetRow, BuildsetRow.patchset_id == PatchsetRow.id)
        .join(ChangeRow, PatchsetRow.change_id == ChangeRow.id)
        .where(
            BuildsetRow.result.in_(results),
            ChangeRow.status == "NEW",
            ~ChangeRow.private,
            ~exists().where(
                newer_run.patchset_id == BuildsetRow.patchset_id,
                newer_run.pipeline == BuildsetRow.pipeline,
                newer_run.id > BuildsetRow.id,
            ),
            ~exists().where(
                newer_patchset.change_id == PatchsetRow.change_id, newer_patchset.number > PatchsetRow.number
            ),
        )
        .order_by(BuildsetRow.id.desc())
    )


def that_do_not_merge(session: Session, *, limit: int = 50) -> list[BuildsetRow]:
    """Return the runs of open changes that do not merge with the tip of their branch, the newest first."""
    query = lasting(Result.MERGE_CONFLICT).limit(limit)
    return list(session.scalars(query.options(joinedload(BuildsetRow.patchset).joinedload(PatchsetRow.change))))
