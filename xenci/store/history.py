"""How tests ended with other changes lately, from the rows."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import distinct, func, select
from sqlalchemy.orm import Session

from xenci.model.build import Run
from xenci.rules.known import Elsewhere
from xenci.store.tables import BuildRow, BuildsetRow, PatchsetRow, TestRow

_FAILED, _PASSED = ("fail", "uxsuccess"), ("success", "xfail")


def seen_elsewhere(
    session: Session, tests: Sequence[str], *, change_id: int, branch: str, job: str, since: datetime
) -> dict[str, Elsewhere]:
    """Return how these tests ended with other changes of the branch in the same job since then."""
    changes = func.count(distinct(PatchsetRow.change_id))
    query = (
        select(
            TestRow.test_id,
            changes.filter(TestRow.status.in_(_FAILED)),
            changes.filter(TestRow.status.in_(_PASSED)),
        )
        .join(BuildRow, BuildRow.id == TestRow.build_id)
        .join(BuildsetRow, BuildsetRow.id == BuildRow.buildset_id)
        .join(PatchsetRow, PatchsetRow.id == BuildsetRow.patchset_id)
        .where(
            TestRow.test_id.in_(tests),
            TestRow.run == Run.FIRST,
            BuildRow.job == job,
            BuildRow.finished_at >= since,
            PatchsetRow.change_id != change_id,
            PatchsetRow.change.has(branch=branch),
        )
        .group_by(TestRow.test_id)
    )
    return {test: Elsewhere(failed=failed, passed=passed) for test, failed, passed in session.execute(query)}
