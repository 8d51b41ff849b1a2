"""Hears Gerrit's event stream: keeps each line that is about a change, and nudges a look at that change.

One listener at a time, by an advisory lock that ends with its holder's connection. A line is a row before anything
else is done with it, so none is lost to a crash, and one that cannot be read costs only itself.
"""

import random
import re
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import DataError, OperationalError, SQLAlchemyError

from xenci.errors import Permanent, Temporary, XenciError
from xenci.gerrit.parse import parse_event
from xenci.gerrit.port import BadLine, Event, GerritStream
from xenci.model.build import FoundBy
from xenci.services.context import Context
from xenci.services.engine import alive, defer
from xenci.services.fence import fenced
from xenci.store.marks import clear_alarm, raise_alarm
from xenci.store.tables import EventRow

_LOG = structlog.get_logger()
_LOCK = 0x6C697374
#: longest wait between two tries to connect
_LONGEST = timedelta(seconds=60)
#: a connection that stood for so long was a good one: what ends it is a first failure
_STEADY = timedelta(minutes=1)
_BEAT = timedelta(seconds=5)
#: how often a listener that another one precedes looks whether that one is gone
TURN = timedelta(seconds=2)


def listen(ctx: Context, open_stream: Callable[[], GerritStream], stop: threading.Event) -> None:
    """Listen until `stop` is set; connect again after every loss, each time looking at all open changes."""
    failures = 0
    while not stop.is_set():
        began = ctx.clock()
        try:
            with fenced(ctx.database, _LOCK, 0) as is_mine:
                if is_mine:
                    _hear(ctx, open_stream, stop)
                else:
                    stop.wait(TURN.total_seconds())
        except OperationalError as error:
            _LOG.warning("listener.database", error=str(error.orig).strip())
            stop.wait(2)
        except XenciError as error:
            failures = 1 if ctx.clock() - began > _STEADY else failures + 1
            _tell(ctx, error, failures)
            stop.wait(_back_off(failures, error).total_seconds())
        except Exception:  # noqa: BLE001 one catch-all per loop turn: a listener that ends is a CI that is deaf
            failures += 1
            _LOG.exception("listener.crashed")
            stop.wait(5)


def _hear(ctx: Context, open_stream: Callable[[], GerritStream], stop: threading.Event) -> None:
    """One connection's life. Raises Temporary when it ends or is silent for too long."""
    stream = open_stream()
    heard_at = beat_at = ctx.clock()
    connected = False
    try:
        for line in stream.lines():
            at = ctx.clock()
            if not connected:
                connected = True
                _LOG.info("listener.connected")
                with ctx.database.session() as session:
                    clear_alarm(session, "gerrit:stream", at=at)
                    defer(session, "missed")
                alive(ctx, "listener", "connected")
            if stop.is_set():
                return
            if line is not None:
                heard_at = at
                _keep_or_skip(ctx, line, at)
            elif at - heard_at > ctx.settings.gerrit.ssh.silence:
                raise Temporary("nothing was heard; connecting anew", brief="The event stream is silent")
            if at - beat_at > _BEAT:
                beat_at = at
                alive(ctx, "listener", f"last event {heard_at:%H:%M:%S}")
        if not stop.is_set():
            raise Temporary("Gerrit closed it", brief="The event stream ended")
    finally:
        stream.close()


def _keep_or_skip(ctx: Context, line: bytes, at: datetime) -> None:
    """Keep one line; one that the database does not take costs no other, and its change is found by a look."""
    try:
        keep(ctx, line, at)
    except DataError as error:
        _LOG.warning("listener.refused", error=str(error.orig).split("\n")[0])
        with ctx.database.session() as session:
            defer(session, "reconcile")


def keep(ctx: Context, line: bytes, at: datetime, *, source: FoundBy = FoundBy.STREAM) -> bool:
    """Keep one line if it is about a change of ours, and nudge a look at the change; return whether it was kept."""
    event = parse_event(line)
    match event:
        case BadLine():
            _LOG.warning("listener.bad_line", reason=event.reason, line=event.text)
        case Event(type="dropped-output"):
            with ctx.database.session() as session:
                defer(session, "missed")
        case Event(type="ref-updated", ref=ref, project=project) if ref.startswith("refs/heads/"):
            if _is_ours(ctx, project):
                # what conflicted with the tip that was may not conflict with the one that is
                with ctx.database.session() as session:
                    defer(session, "renew", after=ctx.settings.gerrit.settle)
        case Event(patchset=patchset) if patchset is not None and not _is_ours(ctx, patchset.project):
            _LOG.debug("listener.elsewhere", project=patchset.project)
        case Event(patchset=patchset) if event.is_work and patchset is not None:
            with ctx.database.session() as session:
                session.add(
                    EventRow(
                        received_at=at,
                        source=source,
                        type=event.type,
                        payload=event.raw,
                        change=patchset.change,
                        patchset=patchset.number,
                    )
                )
                defer(session, "consider", patchset.change)
            _LOG.info("event.heard", type=event.type, change=patchset.change, patchset=patchset.number)
            return True
        case Event():
            _LOG.debug("listener.dull", type=event.type)
    return False


def _is_ours(ctx: Context, project: str) -> bool:
    """Tell whether a pipeline tests this project: a Gerrit has thousands, and their events are nobody's here."""
    return any(re.fullmatch(known, project) for one in ctx.settings.pipelines for known in one.trigger.projects)


def _tell(ctx: Context, error: XenciError, failures: int) -> None:
    _LOG.warning("listener.failed", error=error.sentence, failures=failures)
    if failures < 2 and not isinstance(error, Permanent):
        return
    try:
        with ctx.database.session() as session:
            raise_alarm(
                session,
                "gerrit:stream",
                brief="Gerrit's event stream cannot be heard",
                detail=error.sentence,
                remedy=error.remedy or "it is tried again by itself; open changes are looked through when it answers",
                at=ctx.clock(),
            )
    except SQLAlchemyError as failure:
        _LOG.warning("listener.database", error=str(failure).split("\n")[0])


def _back_off(failures: int, error: XenciError) -> timedelta:
    """How long to wait before the next try: longer each time, spread, and long where a person must act."""
    base = _LONGEST if isinstance(error, Permanent) else min(_LONGEST, timedelta(seconds=0.5 * 2 ** min(failures, 8)))
    return base * random.uniform(0.7, 1.0)
