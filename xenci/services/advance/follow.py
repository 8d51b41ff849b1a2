"""Brings what grows on the node: the subunit stream, consoles and logs, each from where our own copy ends.

Our copy in the artifact store is the memory: its length is the offset, so after a restart nothing is fetched twice and
nothing is left out.
"""

from collections import OrderedDict
from datetime import timedelta
from threading import Lock

import structlog
from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from xenci.host.port import Host, UnitLook
from xenci.model.build import Phase, Run
from xenci.model.tests import TestResult
from xenci.services.advance.work import Work
from xenci.services.context import Context
from xenci.store.tables import TestRow
from xenci.tempest.follower import Follower

_LOG = structlog.get_logger()
#: how often a running unit is looked at
LOOK_EVERY = timedelta(seconds=3)


class Followers:
    """The readers of streams that are being followed, at most a few; one that is not here reads its copy again."""

    def __init__(self, most: int = 64) -> None:
        self._most = most
        self._kept: OrderedDict[str, Follower] = OrderedDict()
        self._lock = Lock()

    def take(self, name: str) -> Follower | None:
        """Return a stream's reader and forget it."""
        with self._lock:
            return self._kept.pop(name, None)

    def keep(self, name: str, follower: Follower) -> None:
        """Keep a stream's reader for the next look."""
        with self._lock:
            self._kept[name] = follower
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)


_FOLLOWERS = Followers()


def console(work: Work, phase: Phase, run: Run) -> str:
    """Path on the node of what a phase prints."""
    return f"{work.folder}/{phase}-{run}.log"


def stream(work: Work, run: Run) -> str:
    """Path on the node of a run's subunit stream."""
    return f"{work.folder}/tempest-{run}.subunit"


def watch(ctx: Context, work: Work, host: Host, phase: Phase, run: Run) -> UnitLook:
    """Look at a phase's unit, and store what its files have that ours have not; return the look."""
    named = {console(work, phase, run): f"console/{phase}-{run}.log"}
    if phase is Phase.TEMPEST:
        named[stream(work, run)] = _copy(run)
    named |= {path: f"logs/{source}.log" for source, path in work.job.node.logs.items()}
    offsets = {path: ctx.artifacts.size(work.uuid, name) for path, name in named.items()}
    look = host.look(work.unit(phase, run), offsets)
    for path, name in named.items():
        chunk = look.files.get(path)
        if chunk is not None and chunk.data:
            ctx.artifacts.append(work.uuid, name, chunk.data, at=chunk.offset)
    if phase is Phase.TEMPEST:
        store_results(ctx, work, run)
    return look


def is_all_here(look: UnitLook, path: str) -> bool:
    """Tell whether nothing of a file was left behind on the node."""
    chunk = look.files.get(path)
    return chunk is None or chunk.is_all


def is_copy_cut(ctx: Context, work: Work, run: Run) -> bool:
    """Tell whether our copy of a run's stream has come to its limit: more of it is never read."""
    name = _copy(run)
    return any(stored.is_cut for stored in ctx.artifacts.list(work.uuid) if stored.name == name)


def store_results(ctx: Context, work: Work, run: Run) -> None:
    """Read on in our copy of the stream and write each test's row."""
    _FOLLOWERS.keep(_key(work, run), _read_on(ctx, work, run))


def end_stream(ctx: Context, work: Work, run: Run) -> str:
    """Read what stands behind a damaged packet that seemed to be unfinished, now that nothing more comes.

    Returns what was lost of the stream, without a full stop; empty if nothing was.
    """
    follower = _read_on(ctx, work, run)
    if results := follower.end():
        with ctx.database.session() as session:
            save_results(session, work.build_id, run, results)
    damage = follower.damage
    if is_copy_cut(ctx, work, run):
        damage = f"it is longer than the {follower.received} bytes kept of it (artifacts.max_file_mb, max_build_mb)"
    if damage:
        _LOG.warning("build.stream_damaged", build=work.build_id, run=run, damage=damage)
    return damage


def _copy(run: Run) -> str:
    return f"tempest/{run}.subunit"


def _key(work: Work, run: Run) -> str:
    return f"{work.uuid}/{_copy(run)}"


def _read_on(ctx: Context, work: Work, run: Run) -> Follower:
    """Read what our copy has that was not read yet; return its reader, which is nobody else's meanwhile."""
    name = _copy(run)
    follower = _FOLLOWERS.take(_key(work, run))
    if follower is None:
        follower = Follower()
        _LOG.info("build.followed", build=work.build_id, run=run, stored=ctx.artifacts.size(work.uuid, name))
    fresh = ctx.artifacts.read(work.uuid, name, offset=follower.received)
    results = follower.feed(fresh)
    if results:
        with ctx.database.session() as session:
            save_results(session, work.build_id, run, results)
    return follower


def save_results(session: Session, build_id: int, run: Run, results: list[TestResult]) -> None:
    """Write results as rows; a later one of the same test replaces an earlier."""
    latest = {result.id: result for result in results}
    for result in latest.values():
        row = insert(TestRow).values(
            build_id=build_id,
            run=run,
            test_id=result.id,
            status=result.status,
            started_at=result.started_at,
            finished_at=result.finished_at,
            detail=result.detail,
        )
        session.execute(
            row.on_conflict_do_update(
                index_elements=[TestRow.build_id, TestRow.run, TestRow.test_id],
                set_={
                    "status": row.excluded.status,
                    "started_at": func.coalesce(row.excluded.started_at, TestRow.started_at),
                    "finished_at": row.excluded.finished_at,
                    "detail": row.excluded.detail,
                },
            )
        )
