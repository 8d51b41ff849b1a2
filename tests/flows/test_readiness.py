"""What the readiness rules are told, from the rows."""

from datetime import timedelta
from typing import Any

from sqlalchemy import event

from tests.flows.world import World
from xenci.dashboard.queries_readiness import facts_of
from xenci.rules.readiness import measure
from xenci.store.tables import ChangeRow, CommentRow, PatchsetRow


def _old_patchset(world: World, *, not_run: str | None) -> None:
    """Store a patch set of forty days ago, and a recheck on it of an hour ago."""
    at = world.now - timedelta(days=40)
    change = ChangeRow(number=7, project="openstack/nova", branch="master", key="I7", subject="s", owner="o", url="")
    patchset = PatchsetRow(change=change, number=1, sha="5" * 40, ref="r", uploaded_at=at, not_run=not_run)
    said = {"author": "a", "kind": "recheck", "text": "recheck", "posted_at": world.now - timedelta(hours=1)}
    with world.database.session() as session:
        session.add_all([change, patchset, CommentRow(change=7, patchset=1, message_id="m", **said)])


def _rechecks(world: World) -> str:
    with world.database.session() as session:
        states = measure(facts_of(session, world.ctx.settings, world.now), world.now)
    return next(one.value for one in states if one.id == "B7")


def test_nobody_owes_an_answer_to_a_recheck_of_what_no_pipeline_wants(world: World) -> None:
    _old_patchset(world, not_run="No pipeline tests branch master of openstack/nova.")
    assert _rechecks(world) == "0 of 10 rechecks"


def test_a_recheck_of_an_old_patch_set_that_a_pipeline_wants_is_missed(world: World) -> None:
    _old_patchset(world, not_run=None)
    assert _rechecks(world) == "0 of 1 rechecks, 0 %"


def test_files_of_patch_sets_are_not_read(world: World) -> None:
    world.gerrit.push()
    _old_patchset(world, not_run=None)
    asked: list[str] = []
    with world.database.session() as session:
        engine = world.database.engine

        def listener(*args: Any) -> None:
            asked.append(args[2])

        event.listen(engine, "before_cursor_execute", listener)
        try:
            facts_of(session, world.ctx.settings, world.now + timedelta(days=1))
        finally:
            event.remove(engine, "before_cursor_execute", listener)
    assert len(asked) > 3
    assert not [one for one in asked if ".files" in one]
