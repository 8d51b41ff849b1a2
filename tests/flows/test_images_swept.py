"""What node images leave on a cloud: after a process was killed, beside what a row accounts for, and when it goes."""

from typing import Any

import pytest
from sqlalchemy import text

from tests.flows.shop import MakeShop, open_shop
from tests.unit.pool_world import SECOND, make
from xenci.model.image import ImageState
from xenci.model.leftover import Kind
from xenci.model.node import NodeState
from xenci.rules.leaks import GRACE
from xenci.services.sweep import EVERY
from xenci.store.tables import ImageRow

__all__ = ["make", "open_shop"]


@pytest.mark.parametrize("call", ["create", "snapshot", "images", "delete_image"])
def test_a_process_killed_after_any_call_leaves_one_image_and_nothing_else(open_shop: MakeShop, call: str) -> None:
    shop = open_shop()
    if call == "delete_image":
        shop.world.ctx.settings = shop.settings.model_copy(
            update={"images": shop.settings.images.model_copy(update={"keep": 1})}
        )
        shop.build(promote=True)
        shop.until(ImageState.PROMOTED)
    cloud = shop.world.ca
    real, dying = getattr(cloud, call), [True]

    class Killed(BaseException):
        """The process ends here."""

    def once(*args: Any, **more: Any) -> Any:
        answer = real(*args, **more)
        if dying:
            dying.clear()
            raise Killed
        return answer

    setattr(cloud, call, once)
    shop.build(promote=True)
    for _ in range(25):
        try:
            shop.turn(1)
        except Killed:
            continue
        if not dying and shop.images()[-1].state == ImageState.PROMOTED and not cloud.servers and shop.is_still():
            break
    assert not dying, "it was killed once"
    assert shop.images()[-1].state == ImageState.PROMOTED
    assert set(shop.snapshots()) == {shop.images()[-1].name}
    assert cloud.servers == {}
    assert [row.state for row in shop.world.rows() if row.state != NodeState.DELETED] == []


def test_the_sweep_leaves_snapshots_that_a_row_accounts_for_and_takes_others(open_shop: MakeShop) -> None:
    shop = open_shop()
    shop.build()
    shop.until(ImageState.READY)
    (server,) = [shop.world.ca.put("x", {"xenci_system": "test"})]
    shop.world.ca.snapshot(server.id, name="forgotten", properties={})
    shop.world.ca.snapshot(server.id, name="test-small-image-0009", properties={})
    shop.world.turn(3, by=EVERY + SECOND)
    shop.world.at[0] += GRACE[Kind.IMAGE]
    shop.world.turn(2, by=EVERY + SECOND)
    assert set(shop.snapshots()) == {"test-small-image-0001"}


def test_a_snapshot_of_the_same_name_that_an_older_database_knew_is_not_taken_for_the_new_one(
    open_shop: MakeShop,
) -> None:
    shop = open_shop()
    shop.build()
    old = shop.until(ImageState.READY)
    with shop.world.ctx.database.session() as session:
        session.execute(text("truncate images restart identity cascade"))
    shop.turn(2)
    shop.build()
    row = shop.until(ImageState.READY)
    assert row.name == old.name
    assert row.cloud_id != old.cloud_id
    shop.turn(3, by=EVERY + GRACE[Kind.IMAGE])
    assert list(shop.world.ca.snapshots) == [row.cloud_id], "and it is swept"


def test_a_snapshot_whose_id_is_not_written_down_yet_is_no_leak(open_shop: MakeShop) -> None:
    shop = open_shop()
    shop.build()
    shop.until(ImageState.SNAPSHOTTING)
    with shop.world.ctx.database.session() as session:
        row = session.get_one(ImageRow, 1)
        row.cloud_id = row.asked_at = None
    shop.world.turn(3, by=EVERY + SECOND)
    shop.world.at[0] += GRACE[Kind.IMAGE]
    shop.world.turn(2, by=EVERY + SECOND)
    assert set(shop.snapshots()) == {"test-small-image-0001"}


def test_what_a_cloud_has_that_is_not_configured_any_more_keeps_nobody_busy(open_shop: MakeShop) -> None:
    shop = open_shop()
    shop.machine.ends["1"] = 2
    shop.build()
    while shop.states()[-1] != ImageState.FAILED:
        shop.turn()
    with shop.world.ctx.database.session() as session:
        session.get_one(ImageRow, 1).gone_at = None
    assert shop.moving() == [1]
    gone = shop.world.ctx.providers.pop("ca")
    assert shop.moving() == []
    shop.world.ctx.providers["ca"] = gone
    assert shop.moving() == [1], "when it is back, what it has is deleted"
