"""A step that fails on and on: its build ends all the same, once its deadline is long past."""

from datetime import timedelta

import pytest

from tests.flows.node import phases, read, scripted
from tests.flows.world import World
from xenci.services.advance import advance, course
from xenci.services.consider import consider
from xenci.services.prepare import prepare
from xenci.store.tables import PhaseRow


def fail(*_: object) -> None:
    raise RecursionError("a proof of a million brackets")


def test_a_build_ends_though_its_step_never_does(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    consider(world.ctx, world.gerrit.push().change)
    prepare(world.ctx, world.buildsets()[0].id)
    build = world.buildsets()[0].builds[0].id
    world.give_node(build)
    monkeypatch.setitem(course.STEPS, "tree", fail)
    with world.database.session() as session:
        limit = world.ctx.settings.jobs[0].deadlines.tree
        session.add(
            PhaseRow(build_id=build, phase="tree", run="first", started_at=world.now, deadline_at=world.now + limit)
        )
    for _ in range(2):
        with pytest.raises(RecursionError):
            advance(world.ctx, build)
        world.now += limit
    world.later(minutes=6)
    advance(world.ctx, build)
    ended, again = world.buildsets()[0].builds
    assert (ended.state, ended.fault) == ("done", "infra")
    assert "RecursionError" in " ".join(ended.reasons)
    assert (again.state, again.attempt) == ("queued", 2)
    assert world.reports() == []


def test_a_stream_that_never_ends_is_waited_for_until_the_deadline(world: World) -> None:
    """A unit has ended, and what it left behind writes on: no run is held for ever by that."""
    limit = timedelta(minutes=30)
    build, node = scripted(world, deadlines={"tempest": "30m"})
    node.endless["tempest-first.subunit"] = 10
    for _ in range(60):
        if (row := read(world, build)).state == "done":
            break
        advance(world.ctx, build)
        world.later(minutes=1)
    assert (row.result, row.fault) == ("TIMED_OUT", "unknown")
    ended = dict(phases(row))["tempest-first"]
    assert ended.outcome == "timed out: more of the stream is on the node than was fetched"
    assert ended.finished_at is not None
    assert limit < ended.finished_at - ended.started_at <= limit + timedelta(minutes=2)
    assert world.reports() == []
