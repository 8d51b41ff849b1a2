"""A step that fails on and on: its build ends all the same, once its deadline is long past."""

from datetime import timedelta

import pytest

from tests.flows.node import PROOF, go_on, phases, read, scripted
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


@pytest.mark.parametrize("step", ["tree", "tempest", "judge"])
def test_a_build_ends_though_what_fails_lies_between_two_phases(
    world: World, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    build, _ = scripted(world)
    advance_to(world, build, step, monkeypatch)
    for minutes in (0, 10, 19):
        world.later(minutes=minutes)
        with pytest.raises(RecursionError):
            advance(world.ctx, build)
    world.later(minutes=2)
    advance(world.ctx, build)
    ended, again = world.buildsets()[0].builds
    assert (ended.state, ended.fault) == ("done", "infra")
    assert f"step {step}: RecursionError" in " ".join(ended.reasons)
    assert (again.state, again.attempt) == ("queued", 2)


def advance_to(world: World, build: int, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a build to a step that fails on and on."""
    monkeypatch.setitem(course.STEPS, step, fail)
    with pytest.raises(RecursionError):
        advance(world.ctx, build)


@pytest.mark.parametrize(
    "told",
    [b'{"a": "\\ud800"}', b'{"\\udfff": 1}', b'{"a": "\\u0000"}', b'{"a": 1e999}', b"[NaN]", b"[" * 60 + b"]" * 60],
)
def test_a_proof_that_cannot_be_kept_is_none(world: World, told: bytes) -> None:
    build, node = scripted(world)
    node.begins["nova-first"] = lambda: node.files.update({PROOF: told})
    row = go_on(world, build)
    assert (row.result, row.fault) == ("ERROR", "infra")
    assert row.proof is not None
    assert "missing" in row.proof["first"]


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
