"""A worker's clock, in a thread of its own: silent machines may keep every slot, and it goes on still.

It calls what looks whether anything is to be done, and gives the sign of life that deadlines ask for
(`rules/absence.py`): while nobody lives nothing is late. The heart `worker` is another one: it beats with each tick, so
it is silent where no step comes to its turn.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import structlog

from xenci.services.context import Context
from xenci.store.marks import LIFE, beat

_LOG = structlog.get_logger()
#: how often both are done
EVERY = timedelta(seconds=3)
#: how long its last turn is waited for
_LAST = 1.0


@contextmanager
def living(ctx: Context, look: Callable[[], None]) -> Iterator[None]:
    """Give the sign of life, and look, at once and then every few seconds while the block runs."""
    _safely(lambda: give(ctx))
    ended = threading.Event()
    thread = threading.Thread(target=_go_on, args=(ctx, look, ended), name="life", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(_LAST)


def _go_on(ctx: Context, look: Callable[[], None], ended: threading.Event) -> None:
    while True:
        _safely(look)
        if ended.wait(EVERY.total_seconds()):
            return
        _safely(lambda: give(ctx))


def give(ctx: Context) -> None:
    """Give the sign of life, now."""
    with ctx.database.session() as session:
        beat(session, LIFE, at=ctx.clock(), detail="a worker's process lives")


def _safely(call: Callable[[], None]) -> None:
    try:
        call()
    except Exception as error:  # noqa: BLE001 one catch-all per turn: without this thread no deadline ever passes
        _LOG.warning("life.failed", error=str(error).split("\n")[0])
