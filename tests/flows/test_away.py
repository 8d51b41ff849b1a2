"""A deadline that passed while xenci was down: what was missed is looked at before anybody is judged by it."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.flows.node import TEST, ScriptedNode, go_on, phases, read, scripted, subunit
from tests.flows.world import World
from xenci.host.port import HostLost
from xenci.services.advance import LOST_AFTER, advance, course
from xenci.services.life import give
from xenci.services.tick import tick

#: more than one look brings
LONG = subunit({TEST: "success"}) * 6000


def turn(world: World) -> None:
    """Do what a worker does every few seconds: it gives the sign of life, and looks."""
    give(world.ctx)
    tick(world.ctx)


def work(world: World, build: int, *, until: str) -> None:
    """Take a build to a step, with a worker's turn in between as it is in life."""
    for _ in range(60):
        turn(world)
        if read(world, build).step == until:
            return
        advance(world.ctx, build)
        world.later(seconds=3)
    raise AssertionError(f"build {build} does not come to {until}")


def in_the_middle_of_tempest(world: World) -> tuple[int, ScriptedNode]:
    build, node = scripted(world)
    del node.ends["tempest-first"]
    work(world, build, until="tempest")
    advance(world.ctx, build)
    turn(world)
    return build, node


def test_a_run_that_ended_well_meanwhile_is_fetched_whole_and_counts(world: World) -> None:
    build, node = in_the_middle_of_tempest(world)
    world.later(hours=9)
    node.ends["tempest-first"], node.files["tempest-first.subunit"] = 0, LONG
    row = go_on(world, build)
    assert (row.result, row.fault) == ("SUCCESS", "none")


def test_a_run_that_goes_on_past_its_deadline_is_ended_soon_after_the_return(world: World) -> None:
    build, node = in_the_middle_of_tempest(world)
    world.later(hours=9)
    for _ in range(30):
        turn(world)
        advance(world.ctx, build)
        world.later(seconds=20)
    node.ends.setdefault("tempest-first", None)
    row = go_on(world, build)
    assert row.result == "TIMED_OUT"
    assert dict(phases(row))["tempest-first"].outcome == "timed out"


def test_a_node_that_was_silent_before_is_asked_for_a_while_after_the_return(world: World) -> None:
    build, node = in_the_middle_of_tempest(world)
    node.silent = HostLost("no route to host")
    advance(world.ctx, build)
    world.later(hours=1)
    advance(world.ctx, build)
    assert read(world, build).state == "running", "it was silent once before, and once now"
    turn(world)
    world.later(seconds=30)
    advance(world.ctx, build)
    assert read(world, build).state == "running"
    for _ in range(8):
        turn(world)
        world.now += LOST_AFTER / 6
        advance(world.ctx, build)
    row = read(world, build)
    assert (row.result, row.fault) == ("NODE_FAILURE", "infra")


def test_one_failure_after_the_return_does_not_end_a_build_whose_deadline_passed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, _ = in_the_middle_of_tempest(world)
    world.later(hours=9)

    def fail(*_: object) -> None:
        raise RuntimeError("systemd is busy")

    with monkeypatch.context() as once:
        once.setitem(course.STEPS, "tempest", fail)
        with pytest.raises(RuntimeError):
            advance(world.ctx, build)
    assert read(world, build).state == "running"


def test_a_tree_is_pushed_again_although_the_first_try_after_the_return_fails(world: World) -> None:
    build, node = scripted(world)
    node.silent = HostLost("no route to host")
    advance(world.ctx, build)
    turn(world)
    world.later(hours=1)
    advance(world.ctx, build)
    node.silent = None
    turn(world)
    row = go_on(world, build)
    assert (row.result, row.fault) == ("SUCCESS", "none")


def test_a_short_break_moves_no_deadline(world: World) -> None:
    build, _ = in_the_middle_of_tempest(world)
    deadline = world.now + timedelta(minutes=15)
    with world.database.session() as session:
        session.execute(text("update phases set deadline_at = :at where deadline_at > :at"), {"at": deadline})
    while world.now <= deadline:
        turn(world)
        world.later(seconds=50)
    turn(world)
    advance(world.ctx, build)
    assert dict(phases(read(world, build)))["tempest-first"].outcome == "timed out"
