"""A survey stays out of others' way: of launches, claims, the plan, other clouds, and servers that have rows."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, select, update

from tests.pool_settings import make_settings
from tests.unit.pool_world import BEGIN, MINUTE, SECOND, MakeWorld, World, make
from xenci.model.node import NodeState, Server
from xenci.model.pool import Wish
from xenci.providers.port import ApiDown
from xenci.rules.leaks import of_nobody
from xenci.rules.nodes import ASK_AGAIN, Node, metadata_of
from xenci.services.errands import LONGEST, MOST, Errand, Tries, run_errands
from xenci.services.node_zones import begin_create
from xenci.services.overrides import drain
from xenci.services.pool import tick
from xenci.services.survey import LIST_EVERY, survey
from xenci.store.tables import NodeRow, ProviderRow

__all__ = ["make"]


def ends_while_locked(world: World, row: type[NodeRow] | type[ProviderRow], deed: Callable[[], object]) -> None:
    """Do it while all rows of a table are locked by another; a deed that waits for them fails the test."""
    with ThreadPoolExecutor(1) as pool, world.ctx.database.session() as session:
        session.scalars(select(row).with_for_update()).all()
        pool.submit(deed).result(timeout=30)


def test_a_survey_waits_for_no_node_that_it_does_not_change(make: MakeWorld) -> None:
    world = make(min_ready=2)
    world.turn(3)
    world.at[0] += LIST_EVERY
    ends_while_locked(world, NodeRow, lambda: survey(world.ctx, "ca"))
    with world.ctx.database.session() as session:
        assert session.get_one(ProviderRow, "ca").listed_at == world.at[0]


def test_a_zone_is_chosen_without_the_row_that_a_survey_locks_first(make: MakeWorld) -> None:
    world = make(min_ready=1)
    tick(world.ctx)
    (row,) = world.rows(NodeState.BUILDING)
    zoned = tuple(p.model_copy(update={"availability_zones": ("z1", "z2")}) for p in world.ctx.settings.providers)
    world.ctx.settings = world.ctx.settings.model_copy(update={"providers": zoned})
    ends_while_locked(world, ProviderRow, lambda: begin_create(world.ctx, row.id, configured="image"))
    assert world.rows()[0].zone in ("z1", "z2")


def test_the_plan_locks_what_it_gives_up_in_one_statement_and_one_order(make: MakeWorld) -> None:
    world = make(min_ready=6)
    tick(world.ctx)
    with world.ctx.database.session() as session:
        drain(session, world.ctx.settings, "ca", Wish(who="me", reason="", at=world.at[0]))
    locks: list[str] = []

    def note(*args: object) -> None:
        statement = str(args[2])
        if "FROM nodes" in statement and "FOR UPDATE" in statement:
            locks.append(statement)

    event.listen(world.ctx.database.engine, "before_cursor_execute", note)
    tick(world.ctx)
    event.remove(world.ctx.database.engine, "before_cursor_execute", note)
    assert len(world.rows(NodeState.DELETING)) == 3
    (lock,) = locks
    assert "ORDER BY nodes.id FOR UPDATE" in lock


@pytest.mark.parametrize("call", ["list", "limits", "leftovers"])
def test_what_a_driver_did_not_expect_of_one_cloud_is_told_and_the_other_gets_nodes(make: MakeWorld, call: str) -> None:
    world = make(min_ready=2)

    def broken(*_: object) -> None:
        raise ValueError("Invalid isoformat string: '\0'")

    setattr(world.ca, call, broken)
    world.turn(8)
    key = "sweep:ca" if call == "leftovers" else "provider:ca:api"
    assert "Invalid isoformat" in world.alarms()[key]
    assert len(world.rows(NodeState.READY)) == 2


def test_a_server_whose_row_names_another_provider_is_left_alone(make: MakeWorld) -> None:
    world = make(min_ready=1)
    world.turn(3)
    (row,) = world.rows(NodeState.READY)
    cloud = world.ca if row.provider == "ca" else world.cb
    with world.ctx.database.session() as session:
        session.execute(update(NodeRow).values(provider="renamed"))
    stray = cloud.put("test-node-9", {"xenci_system": "test"})
    world.turn(4, by=MINUTE)
    assert row.server_id in cloud.servers
    assert stray.id not in cloud.servers


def test_a_server_whose_row_does_not_know_it_yet_is_known_by_its_name_and_time() -> None:
    common = {"label": "small", "state": NodeState.BUILDING, "created_at": BEGIN, "state_at": BEGIN}
    node = Node(id=1, name="n-1", provider="old", **common)  # type: ignore[arg-type]

    def server(id_: str, at: object) -> Server:
        told = metadata_of("n-1", at, "small")  # type: ignore[arg-type]
        return Server(
            provider="new", id=id_, name="n-1", status="BUILD", address=None, metadata=told, created_at=BEGIN, zone=""
        )

    ours, other = server("a", BEGIN), server("b", BEGIN + SECOND)
    assert of_nobody([ours, other], [node]) == [other]


def test_two_providers_with_one_cloud_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"providers\[1\]: 'cb' and 'ca' are both 'one'"):
        make_settings(tmp_path, clouds={"ca": "one", "cb": "one"})


def test_errands_are_few_at_a_time_and_a_try_of_late_waits() -> None:
    at, done = [BEGIN], []
    errands = [Errand(key=(str(i),), run=lambda i=i: done.append(i)) for i in range(MOST + 3)]  # type: ignore[misc]
    tries = Tries()
    for _ in range(3):
        run_errands(errands, tries=tries, clock=lambda: at[0])
    assert done == list(range(MOST + 3))
    at[0] += ASK_AGAIN
    run_errands(errands, tries=tries, clock=lambda: at[0])
    assert done[MOST + 3 :] == list(range(MOST))


def test_errands_that_hang_take_turns_and_end_the_survey_soon() -> None:
    at, done = [BEGIN], []

    def hang(number: int) -> None:
        done.append(number)
        at[0] += max(LONGEST, 2 * ASK_AGAIN)

    errands = [Errand(key=(str(i),), run=lambda i=i: hang(i)) for i in range(3)]  # type: ignore[misc]
    tries = Tries()
    for turn in range(1, 7):
        run_errands(errands, tries=tries, clock=lambda: at[0])
        assert len(done) == turn
    assert done == [0, 1, 2, 0, 1, 2]


def test_a_cloud_that_was_not_listed_for_long_is_told_though_no_call_has_failed(make: MakeWorld) -> None:
    world = make(min_ready=0)
    world.turn(1)
    with world.ctx.database.session() as session:
        # as while another process's survey hangs
        asked = {"listed_at": world.at[0] - timedelta(minutes=10), "asked_at": world.at[0] + SECOND}
        session.execute(update(ProviderRow).where(ProviderRow.name == "ca").values(**asked))
    world.turn(1, by=SECOND)
    assert "11:50" in world.alarms()["provider:ca:api"]
    world.turn(1)
    assert world.alarms() == {}


def test_a_mark_that_fails_is_not_tried_at_each_survey(make: MakeWorld) -> None:
    world = make(min_ready=1)
    world.turn(3)
    with world.ctx.database.session() as session:
        session.execute(update(NodeRow).values(state=NodeState.IN_USE, build_id=7))
    tried = []

    def broken(server_id: str, metadata: dict[str, str]) -> None:
        tried.append(server_id)
        raise ApiDown("503")

    world.ca.mark = world.cb.mark = broken  # type: ignore[method-assign]
    world.turn(4)
    assert len(tried) == 1
