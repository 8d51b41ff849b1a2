"""Node images where care is needed: kept beside the count, stuck in the cloud, waiting for a cloud, ended by hand."""

from tests.flows.test_images import HOUR, MakeShop, open_shop
from tests.unit.test_pool_service import SECOND, make
from xenci.errors import Temporary
from xenci.model.image import ImageState
from xenci.providers.port import ApiDown
from xenci.rules.images import LEFT_AFTER
from xenci.rules.nodes import ASK_AGAIN
from xenci.services import tick as rows
from xenci.store.tables import ImageRow

__all__ = ["make", "open_shop"]


def test_an_image_that_waits_for_its_promotion_is_kept_beside_the_count(open_shop: MakeShop) -> None:
    shop = open_shop()
    images = shop.settings.images.model_copy(update={"keep": 1})
    shop.world.ctx.settings = shop.settings.model_copy(update={"images": images})
    shop.build(promote=True)
    shop.until(ImageState.PROMOTED)
    for _ in range(2):
        shop.build()
        shop.until(ImageState.READY)
    shop.turn(2)
    assert shop.states() == ["promoted", "deleted", "ready"]
    assert "from now on" in shop.promote(3)


def test_an_image_that_the_cloud_keeps_is_asked_for_now_and_then_and_told(open_shop: MakeShop) -> None:
    shop = open_shop()
    cloud = shop.world.ca
    really = cloud.delete_image

    def in_use(image_id: str) -> None:
        cloud.calls.append("delete_image")
        raise Temporary(f"{image_id} is in use")

    cloud.delete_image = in_use  # type: ignore[method-assign]
    shop.build()
    shop.until(ImageState.TRYING)
    cloud.fault = "no bootable device"
    shop.until(ImageState.FAILED)
    key = "image-left:ca:test-small-image-0001"
    cloud.calls.clear()
    shop.turn(12)
    assert cloud.calls.count("delete_image") == 60 * SECOND // ASK_AGAIN
    assert key not in shop.world.alarms()
    shop.turn(1, by=LEFT_AFTER)
    assert "is in use" in shop.world.alarms()[key]
    cloud.calls.clear()
    shop.turn(12)
    assert cloud.calls.count("images") == 60 * SECOND // ASK_AGAIN, "what stays is looked at now and then"
    cloud.delete_image = really  # type: ignore[method-assign]
    shop.turn(3, by=ASK_AGAIN)
    assert shop.snapshots() == {}
    assert key not in shop.world.alarms()


def test_what_was_to_go_while_nobody_looked_is_no_alarm(open_shop: MakeShop) -> None:
    shop = open_shop()
    shop.machine.ends["1"] = 2
    rows.tick(shop.world.ctx)
    shop.build()
    shop.until(ImageState.FAILED)
    with shop.world.ctx.database.session() as session:
        session.get_one(ImageRow, 1).gone_at = None
    shop.world.ca.down = ApiDown("away")
    shop.turn(2, by=HOUR)
    assert [key for key in shop.world.alarms() if key.startswith("image-left")] == []
