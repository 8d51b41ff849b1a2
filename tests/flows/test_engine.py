"""Nudges: one for each row and step, none lost, those of the dead given again."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from tests.flows.world import World
from xenci.services import engine
from xenci.services.consider import consider
from xenci.services.dispatch import dispatch
from xenci.services.engine import defer, nudge, rescue, take
from xenci.services.tick import tick
from xenci.store.marks import open_alarms

pytestmark = pytest.mark.own_database


def test_a_nudge_is_part_of_its_transaction(world: World) -> None:
    with world.database.session() as session:
        defer(session, "prepare", 7)
        session.rollback()
    assert world.nudges("prepare") == []


def test_two_nudges_of_a_row_are_one_and_the_transaction_lives(world: World) -> None:
    with world.database.session() as session:
        defer(session, "prepare", 7)
        defer(session, "prepare", 7)
        defer(session, "prepare", 8)
    assert world.nudges("prepare") == [7, 8]


def test_a_nudge_that_waits_for_another_transaction_too_long_is_no_fault_of_the_step(world: World) -> None:
    def step() -> None:
        with world.database.session() as second:
            second.execute(text("set local lock_timeout = '20ms'"))
            defer(second, "prepare", 7)

    with world.database.session() as first:
        defer(first, "prepare", 7)
        engine._guard(world.ctx, "prepare", 7, step)
        with world.database.session() as session:
            assert open_alarms(session) == []
    assert world.nudges("prepare") == [7]


def test_a_nudge_for_now_hastens_one_for_later(world: World) -> None:
    with world.database.session() as session:
        defer(session, "advance", 7, after=timedelta(hours=1))
    with world.database.session() as session:
        defer(session, "advance", 7)
        when = session.execute(text("select scheduled_at from procrastinate_jobs")).scalar()
    assert when is None


def test_the_ticks_nudge_does_not_hasten(world: World) -> None:
    with world.database.session() as session:
        defer(session, "advance", 7, after=timedelta(hours=1))
    with world.database.session() as session:
        nudge(session, "advance", 7)
        when = session.execute(text("select scheduled_at from procrastinate_jobs")).scalar()
    assert when is not None


def test_a_dead_workers_job_makes_room_and_the_tick_nudges_anew(world: World) -> None:
    consider(world.ctx, world.gerrit.push().change)
    (number,) = world.nudges("prepare")
    dead = "insert into procrastinate_workers (last_heartbeat) values (now() - interval '1 minute') returning id"
    with world.database.session() as session:
        worker = session.execute(text(dead)).scalar()
        taken = "update procrastinate_jobs set status = 'doing', worker_id = :w where task_name = 'prepare'"
        session.execute(text(taken), {"w": worker})
    tick(world.ctx)
    assert world.nudges("prepare") == [number]
    assert rescue(world.database) == 1
    assert world.nudges("prepare") == []
    tick(world.ctx)
    assert world.nudges("prepare") == [number]


def test_a_living_workers_job_is_left_alone(world: World) -> None:
    with world.database.session() as session:
        defer(session, "prepare", 7)
        worker = session.execute(text("insert into procrastinate_workers default values returning id")).scalar()
        session.execute(text("update procrastinate_jobs set status = 'doing', worker_id = :w"), {"w": worker})
    assert rescue(world.database) == 0
    assert world.nudges("prepare") == [7]


def test_a_nudge_that_waits_is_taken_over_once_and_those_of_others_are_left(world: World) -> None:
    with world.database.session() as session:
        defer(session, "dispatch")
        defer(session, "prepare", 7)
        assert take(session, "dispatch")
        assert not take(session, "dispatch")
    assert world.nudges("prepare") == [7]


def test_dispatch_follows_the_nudges_that_come_while_it_looks(world: World) -> None:
    with world.database.session() as session:
        defer(session, "dispatch")
    dispatch(world.ctx)
    assert world.nudges("dispatch") == []


def test_a_worker_looks_for_jobs_often_from_a_job_on_and_seldom_when_none_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker = SimpleNamespace(fetch_job_polling_interval=engine._IDLE_POLL)
    seen = []

    async def job() -> None:
        seen.append(worker.fetch_job_polling_interval)

    async def jobs() -> None:
        pace = engine._pace(engine.POLL)
        await pace(job, None, worker)
        seen.append(worker.fetch_job_polling_interval)
        while worker.fetch_job_polling_interval != engine._IDLE_POLL:
            await asyncio.sleep(0.01)
        await pace(job, None, worker)

    monkeypatch.setattr(engine, "_LIVELY", 0.1)
    asyncio.run(asyncio.wait_for(jobs(), 60))
    assert seen == [engine.POLL] * 3
