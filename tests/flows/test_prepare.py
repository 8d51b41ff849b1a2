"""A tree is made when its project's mirror is free."""

from typing import Any

import pytest
from sqlalchemy import text

from tests.flows.world import World
from xenci.gerrit.failures import MirrorBusy
from xenci.services.consider import consider
from xenci.services.prepare import prepare
from xenci.store.marks import open_alarms


def test_who_finds_the_mirror_busy_comes_again_soon_and_nobody_is_alarmed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    consider(world.ctx, world.gerrit.push().change)
    (buildset,) = world.buildsets()
    with world.database.session() as session:
        session.execute(text("delete from procrastinate_jobs"))

    def busy(*_: Any, **__: Any) -> None:
        raise MirrorBusy("openstack/nova, waited 2 s")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(world.mirrors, "prepare", busy)
        prepare(world.ctx, buildset.id)
    (waiting,) = world.buildsets()
    assert (waiting.state, waiting.builds) == ("new", [])
    assert world.nudges("prepare") == [buildset.id]
    with world.database.session() as session:
        assert session.execute(text("select scheduled_at > now() from procrastinate_jobs")).scalar()
        assert open_alarms(session) == []
    prepare(world.ctx, buildset.id)
    assert [build.state for build in world.buildsets()[0].builds] == ["queued"]
