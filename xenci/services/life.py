"""Gives a worker's sign of life, from a thread of its own: silent machines may keep every slot, and it is given still.

Deadlines ask for it (`rules/absence.py`): while nobody lives nothing is late. The heart `worker` is another one: it
beats with each tick, so it is silent where no step comes to its turn.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import structlog

from xenci.services.context import Context
from xenci.store.marks import LIFE, beat

_LOG = structlog.get_logger()
#: how often it is given
EVERY = timedelta(seconds=5)
#: how long its last one is waited for
_LAST = 1.0


@contextmanager
def living(ctx: Context) -> Iterator[None]:
    """Give the sign of life once at the begin, then every few seconds while the block runs."""
    _give(ctx)
    ended = threading.Event()
    thread = threading.Thread(target=_go_on, args=(ctx, ended), name="life", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(_LAST)


def _go_on(ctx: Context, ended: threading.Event) -> None:
    while not ended.wait(EVERY.total_seconds()):
        _give(ctx)


def _give(ctx: Context) -> None:
    try:
        with ctx.database.session() as session:
            beat(session, LIFE, at=ctx.clock(), detail="a worker's process lives")
    except Exception as error:  # noqa: BLE001 one catch-all per loop turn: without this thread no deadline ever passes
        _LOG.warning("life.not_written", error=str(error).split("\n")[0])
