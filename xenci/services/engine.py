"""The engine: short jobs in PostgreSQL, by Procrastinate, deferred in the same transaction as the rows they are about.

A job here is only a nudge: what is to be done is read from the rows. So a nudge that is lost is given again by `tick`,
and one that comes twice finds nothing to do. When a tick is due is for the worker's clock to say, which is no job: an
idle worker takes none for half a minute. Jobs of workers that are not among the living are put back within seconds.
"""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import procrastinate
import psycopg
import structlog
from procrastinate import exceptions
from procrastinate.middleware import WorkerMiddleware
from procrastinate.worker import Worker
from sqlalchemy.exc import OperationalError

from xenci.errors import Temporary, XenciError
from xenci.services.connector import connector
from xenci.services.context import Context
from xenci.services.life import living
from xenci.services.nudges import DEAD_AFTER, QUICK, defer, nudge, queue_of, rescue, take
from xenci.services.troubles import Troubles
from xenci.store.marks import beat, clear_alarm, raise_alarm

_LOG = structlog.get_logger()

#: how often a worker tells that it lives; seconds
HEARTBEAT = 2.0
#: how often a worker looks for jobs that nobody announced, such as one that waited for another of its row; seconds
POLL = 1.0
#: how often the quick slots look; the others, which take quick steps too, mostly were faster
_QUICK_POLL = 3.0
#: how often both look where no job came for a while, as where nothing is under way; seconds
_IDLE_POLL = 5.0
#: how long after a job they look often; more than between two looks of `tick` at what is under way; seconds
_LIVELY = 6.0
#: slots for the quick steps alone
_QUICK_SLOTS = 2
#: the step that is no job: it is called by the worker's clock
CLOCK = "clock"
#: every queue; Procrastinate's types do not say so
_EVERY: Any = None
#: how long to wait before a worker that was interrupted begins anew; seconds
_AGAIN = 2.0
#: how long a worker that is asked to end waits for its running steps; seconds
GRACE = 3.0

#: A step: what a job does, by its name. The argument is a row's id, 0 for steps without one.
Step = Callable[[Context, int], None]

#: failures of the database in a row after which a step's alarm is raised
_PATIENCE = 3
#: steps of this process that fail now
_TROUBLES = Troubles()

#: the application of all steps, and that of the quick ones
_Apps = tuple[procrastinate.App, procrastinate.App]

#: Asks a worker to end; may be called from any thread.
Stopper = Callable[[], None]


def run_worker(
    ctx: Context,
    steps: dict[str, Step],
    *,
    concurrency: int = 8,
    stop: Callable[[Stopper], None] | None = None,
) -> None:
    """Run steps until asked to end by SIGTERM or SIGINT, or by the function that `stop` is handed.

    The step `clock` is called every few seconds (`life.EVERY`), whatever the others wait for.
    Steps that still run after the grace are left where they are: each can be repeated.
    """
    jobs = {name: step for name, step in steps.items() if name != CLOCK}
    while not asyncio.run(_work(ctx, _apps(ctx, jobs), steps[CLOCK], concurrency, stop)):
        # PostgreSQL was restarted, or took us for dead: what was under way is done again
        time.sleep(_AGAIN)


def _apps(ctx: Context, steps: dict[str, Step]) -> _Apps:
    """Return Procrastinate's applications on one connector: one for all queues, and one for the quick steps' alone."""
    app = procrastinate.App(connector=connector(ctx.database.libpq_url))
    quick = procrastinate.App(connector=app.connector)
    for one in (app, quick):
        for name, step in steps.items():
            one.task(name=name, queue=queue_of(name))(_wrapped(ctx, name, step))
    return app, quick


async def _work(
    ctx: Context, apps: _Apps, clock: Step, concurrency: int, stop: Callable[[Stopper], None] | None
) -> bool:
    """Run one worker; return whether it ended because it was asked to."""
    try:
        return await _run(ctx, apps, clock, concurrency, stop)
    except (exceptions.ConnectorException, psycopg.Error, OSError) as error:
        _LOG.warning("worker.interrupted", error=str(error).split("\n")[0])
        return False


async def _run(
    ctx: Context, apps: _Apps, clock: Step, concurrency: int, stop: Callable[[Stopper], None] | None
) -> bool:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(concurrency + _QUICK_SLOTS + 2, thread_name_prefix="step"))
    app, _ = apps
    async with app.open_async():
        await app.schema_manager.connector.execute_query_async("select 1")
        task = asyncio.create_task(_serve(apps, concurrency))
        if stop is None:
            for one in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(one, task.cancel)
        else:
            stop(lambda: _ask_to_end(loop, task))
        try:
            with living(ctx, lambda: _guard(ctx, CLOCK, 0, lambda: clock(ctx, 0))):
                await task
        except asyncio.CancelledError:
            _LOG.info("worker.ended")
        else:
            _LOG.warning("worker.interrupted", error="it ended without being asked to")
            return False
    if stop is None:
        # threads that hang in a call to a node would keep the process; what they do can be repeated
        os._exit(0)
    return True


async def _serve(apps: _Apps, concurrency: int) -> None:
    """Run every job, and the quick ones in slots of their own, until cancelled or until one of both ends."""
    app, quick = apps
    both = [
        asyncio.create_task(
            one.run_worker_async(
                queues=queues,
                concurrency=slots,
                fetch_job_polling_interval=poll,
                delete_jobs="always",
                install_signal_handlers=False,
                update_heartbeat_interval=HEARTBEAT,
                stalled_worker_timeout=DEAD_AFTER,
                shutdown_graceful_timeout=GRACE,
                worker_middleware=[_pace(poll)],
            )
        )
        for one, slots, queues, poll in (
            (app, concurrency, _EVERY, POLL),
            (quick, _QUICK_SLOTS, [QUICK], _QUICK_POLL),
        )
    ]
    try:
        done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for one in done:
            one.result()
    finally:
        for one in both:
            one.cancel()
        await asyncio.gather(*both, return_exceptions=True)


def _pace(poll: float) -> WorkerMiddleware:
    """Have a worker look for jobs as often as `poll` says from each job on, and seldom when none came for a while."""
    resting: list[asyncio.TimerHandle] = []

    async def run(job: Callable[[], Awaitable[Any]], _context: procrastinate.JobContext, worker: Worker) -> Any:
        worker.fetch_job_polling_interval = poll
        while resting:
            resting.pop().cancel()
        try:
            return await job()
        finally:
            loop = asyncio.get_running_loop()
            resting.append(loop.call_later(_LIVELY, setattr, worker, "fetch_job_polling_interval", _IDLE_POLL))

    return run


def _ask_to_end(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
    loop.call_soon_threadsafe(task.cancel)


def _wrapped(ctx: Context, name: str, step: Step) -> Callable[[int], None]:
    def task(row: int) -> None:
        _guard(ctx, name, row, lambda: step(ctx, row))

    return task


def _guard(ctx: Context, name: str, row: int, call: Callable[[], Any]) -> None:
    """Run one step; the loop's only catch-all: it logs, counts in an alarm, and goes on. A later tick tries again."""
    if not _TROUBLES.may_run(name, row):
        return
    try:
        call()
        if _TROUBLES.mended(name, row):
            with ctx.database.session() as session:
                clear_alarm(session, f"step:{name}", at=ctx.clock())
    except XenciError as error:
        _TROUBLES.failed(name, row, is_temporary=isinstance(error, Temporary))
        _LOG.warning("step.failed", step=name, row=row, error=error.sentence)
        _alarm(ctx, name, row, error.sentence, error.remedy)
    except (OperationalError, exceptions.ConnectorException) as error:
        # mostly the database is away for a moment, or two steps waited for each other; what fails on is the row's fault
        failures = _TROUBLES.failed(name, row, is_temporary=True)
        words = str(getattr(error, "orig", None) or error.__cause__ or error).strip()
        _LOG.warning("step.database", step=name, row=row, error=words)
        if failures >= _PATIENCE:
            _alarm(ctx, name, row, words, "look at PostgreSQL's log; it is tried again by itself")
    except Exception as error:  # noqa: BLE001 one catch-all per loop turn
        _TROUBLES.failed(name, row, is_temporary=False)
        _LOG.exception("step.crashed", step=name, row=row)
        _alarm(ctx, name, row, f"{type(error).__name__}: {error}", "this is a fault in xenci: report it with the log")


def _alarm(ctx: Context, name: str, row: int, detail: str, remedy: str) -> None:
    try:
        with ctx.database.session() as session:
            raise_alarm(
                session,
                f"step:{name}",
                brief=f"A step does not succeed: {name}",
                detail=f"row {row}: {detail}",
                remedy=remedy or "it is tried again by itself",
                at=ctx.clock(),
            )
    except OperationalError as error:
        _LOG.warning("step.database", step=name, error=str(error.orig).strip())


def alive(ctx: Context, name: str, detail: str = "") -> None:
    """Write a loop's sign of life."""
    with ctx.database.session() as session:
        beat(session, name, at=ctx.clock(), detail=detail)


__all__ = ["Step", "alive", "defer", "nudge", "rescue", "run_worker", "take"]
