"""Finds builds: one by its address, or a list by filters, paged by key."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session, aliased, contains_eager, joinedload, selectinload

from xenci.errors import NotFound
from xenci.model.build import BuildState
from xenci.model.outcome import Fault, Result
from xenci.store.tables import BuildRow, BuildsetRow, ChangeRow, EvidenceRow, NodeRow, PatchsetRow, TestRow

#: rows on a page of a list
PAGE = 50
#: spans that a list may be limited to
SPANS = {"1 day": timedelta(days=1), "14 days": timedelta(days=14), "90 days": timedelta(days=90), "all": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a list of builds is limited to; empty means any."""

    q: str = ""
    #: a Result, `waiting` or `running`
    result: str = ""
    fault: str = ""
    job: str = ""
    pipeline: str = ""
    branch: str = ""
    cloud: str = ""
    since: str = "14 days"
    #: only builds that ended on this day, YYYY-MM-DD
    day: str = ""
    #: only builds that ended on this day or later, YYYY-MM-DD
    ended: str = ""
    #: `yes`: only builds that had a node
    node: str = ""
    #: `-1`, `+1` or `0`: what was voted on their buildset
    vote: str = ""
    #: `no`: finished without evidence of Xen
    evidence: str = ""
    #: the last id of the page before (older) or the first (newer)
    before: int | None = None
    after: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPage:
    """A page of builds, newest first."""

    rows: tuple[BuildRow, ...]
    has_older: bool
    has_newer: bool
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TestCounts:
    """How the tests of a build's first run ended."""

    __test__ = False

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    unfinished: int = 0

    @property
    def ended(self) -> int:
        return self.passed + self.failed + self.skipped


def build_by_uuid(session: Session, uuid: str) -> BuildRow:
    """Return a build with all that belongs to it. Raises NotFound."""
    row = session.scalar(
        select(BuildRow)
        .where(BuildRow.uuid == uuid)
        .options(
            joinedload(BuildRow.node),
            joinedload(BuildRow.buildset).joinedload(BuildsetRow.patchset).joinedload(PatchsetRow.change),
            joinedload(BuildRow.buildset).selectinload(BuildsetRow.reports),
            joinedload(BuildRow.buildset).selectinload(BuildsetRow.builds),
            selectinload(BuildRow.phases),
            selectinload(BuildRow.evidence),
            selectinload(BuildRow.artifacts),
        )
    )
    if row is None:
        raise NotFound(f"no build has the address {uuid[:80]!r}", remedy="look for it in the list of builds")
    return row


def must_exist(session: Session, uuid: str) -> None:
    """Raise NotFound if no build has this address."""
    if session.scalar(select(BuildRow.id).where(BuildRow.uuid == uuid)) is None:
        raise NotFound(f"no build has the address {uuid[:80]!r}", remedy="look for it in the list of builds")


def usual_tests(session: Session, job: str) -> int | None:
    """Return how many tests the job's last good build had: what a running one is measured by."""
    last = session.scalar(select(func.max(BuildRow.id)).where(BuildRow.job == job, BuildRow.result == Result.SUCCESS))
    counts = counts_of(session, [last]).get(last) if last is not None else None
    return counts.ended if counts else None


def list_builds(session: Session, filters: Filters, now: datetime) -> BuildPage:
    """Return a page of builds, newest first."""
    wanted = _conditions(filters, now)
    query = (
        select(BuildRow)
        .join(BuildRow.buildset)
        .join(BuildsetRow.patchset)
        .join(PatchsetRow.change)
        .outerjoin(NodeRow, BuildRow.node_id == NodeRow.id)
        .where(*wanted)
    )
    total = session.scalar(query.with_only_columns(func.count(BuildRow.id))) or 0
    if filters.before is not None:
        query = query.where(BuildRow.id < filters.before)
    if filters.after is not None:
        query = query.where(BuildRow.id > filters.after)
    is_upwards = filters.after is not None and filters.before is None
    ordered = query.order_by(BuildRow.id.asc() if is_upwards else BuildRow.id.desc()).limit(PAGE + 1)
    loaded = ordered.options(
        contains_eager(BuildRow.buildset).contains_eager(BuildsetRow.patchset).contains_eager(PatchsetRow.change),
        contains_eager(BuildRow.buildset).selectinload(BuildsetRow.reports),
        joinedload(BuildRow.node),
    )
    rows = list(session.scalars(loaded).unique())
    has_more = len(rows) > PAGE
    rows = sorted(rows[:PAGE], key=lambda row: row.id, reverse=True)
    return BuildPage(
        rows=tuple(rows),
        has_older=has_more if not is_upwards else True,
        has_newer=has_more if is_upwards else filters.before is not None,
        total=total,
    )


def _conditions(filters: Filters, now: datetime) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = []
    if filters.q:
        wanted.append(_text(filters.q))
    match filters.result:
        case "":
            pass
        case "waiting":
            wanted.append(BuildRow.state == BuildState.QUEUED)
        case "running":
            wanted.append(BuildRow.state == BuildState.RUNNING)
        case result:
            wanted.append(BuildRow.result == result)
    for column, value in (
        (BuildRow.fault, filters.fault),
        (BuildRow.job, filters.job),
        (BuildsetRow.pipeline, filters.pipeline),
        (ChangeRow.branch, filters.branch),
        (NodeRow.provider, filters.cloud),
    ):
        if value:
            wanted.append(column == value)
    if filters.day:
        wanted.append(func.to_char(BuildRow.finished_at, "YYYY-MM-DD") == filters.day)
    elif filters.ended:
        wanted.append(func.to_char(BuildRow.finished_at, "YYYY-MM-DD") >= filters.ended)
    elif (span := SPANS.get(filters.since, SPANS["14 days"])) is not None:
        wanted.append(or_(BuildRow.created_at >= now - span, BuildRow.finished_at.is_(None)))
    if filters.vote in ("-1", "+1"):
        wanted.append(BuildsetRow.vote == int(filters.vote))
    elif filters.vote == "0":
        wanted.append(and_(BuildsetRow.vote.is_(None), BuildRow.finished_at.is_not(None)))
    if filters.node == "yes":
        wanted.append(BuildRow.node_id.is_not(None))
    if filters.evidence == "no":
        wanted.append(BuildRow.finished_at.is_not(None))
        wanted.append(~exists().where(EvidenceRow.build_id == BuildRow.id))
    return wanted


def _text(text: str) -> ColumnElement[bool]:
    """Match a change's number, `number,patchset`, its owner or a part of its subject."""
    number, _, patchset = text.partition(",")
    if number.strip().isdecimal() and len(number.strip()) < 10:
        found = ChangeRow.number == int(number)
        if patchset.strip().isdecimal() and len(patchset.strip()) < 6:
            return and_(found, PatchsetRow.number == int(patchset))
        return found
    return or_(ChangeRow.owner.icontains(text, autoescape=True), ChangeRow.subject.icontains(text, autoescape=True))


def counts_of(session: Session, build_ids: Sequence[int]) -> dict[int, TestCounts]:
    """Return how the tests of the first runs ended, by build."""
    if not build_ids:
        return {}
    rows = session.execute(
        select(TestRow.build_id, TestRow.status, func.count())
        .where(TestRow.build_id.in_(build_ids), TestRow.run == "first")
        .group_by(TestRow.build_id, TestRow.status)
    )
    seen: dict[int, dict[str, int]] = {}
    for build_id, status, number in rows:
        seen.setdefault(build_id, {})[status] = number
    return {
        build_id: TestCounts(
            passed=by.get("success", 0),
            failed=by.get("fail", 0) + by.get("uxsuccess", 0),
            skipped=by.get("skip", 0) + by.get("xfail", 0),
            unfinished=by.get("inprogress", 0),
        )
        for build_id, by in seen.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCounts:
    """What waits and what runs."""

    preparing: int
    waiting: int
    running: int
    kept: int


def queue_counts(session: Session) -> QueueCounts:
    """Count what is under way."""
    by_state = {
        row[0]: row[1] for row in session.execute(select(BuildRow.state, func.count()).group_by(BuildRow.state))
    }
    return QueueCounts(
        preparing=session.scalar(select(func.count()).where(BuildsetRow.state == "new")) or 0,
        waiting=by_state.get(BuildState.QUEUED, 0),
        running=by_state.get(BuildState.RUNNING, 0),
        kept=sum(by_state.values()),
    )


def waiting_builds(session: Session, *, limit: int = 30) -> list[BuildRow]:
    """Return builds without a node, the next first."""
    return list(
        session.scalars(
            select(BuildRow)
            .where(BuildRow.state == BuildState.QUEUED)
            .order_by(BuildRow.id)
            .limit(limit)
            .options(joinedload(BuildRow.buildset).joinedload(BuildsetRow.patchset).joinedload(PatchsetRow.change))
        )
    )


def without_build(session: Session, *, limit: int = 20) -> tuple[list[PatchsetRow], list[BuildsetRow]]:
    """Return the newest patch sets that no pipeline runs, and buildsets that ended before any build."""
    patchsets = session.scalars(
        select(PatchsetRow)
        .where(PatchsetRow.not_run.is_not(None))
        .order_by(PatchsetRow.id.desc())
        .limit(limit)
        .options(joinedload(PatchsetRow.change))
    )
    build = aliased(BuildRow)
    buildsets = session.scalars(
        select(BuildsetRow)
        .where(BuildsetRow.result.is_not(None), ~exists().where(build.buildset_id == BuildsetRow.id))
        .order_by(BuildsetRow.id.desc())
        .limit(limit)
        .options(joinedload(BuildsetRow.patchset).joinedload(PatchsetRow.change))
    )
    return list(patchsets), list(buildsets)


def known_values(session: Session) -> dict[str, list[str]]:
    """Return the values that the filters offer, from what there is."""
    return {
        "branch": sorted(session.scalars(select(ChangeRow.branch).distinct())),
        "cloud": sorted(session.scalars(select(NodeRow.provider).distinct())),
        "job": sorted(session.scalars(select(BuildRow.job).distinct())),
        "pipeline": sorted(session.scalars(select(BuildsetRow.pipeline).distinct())),
        "result": ["waiting", "running", *(str(result) for result in Result)],
        "fault": [str(fault) for fault in Fault],
    }
