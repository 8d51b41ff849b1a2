"""Node images where care is needed: kept beside the count, stuck in the cloud, waiting for a cloud, ended by hand."""

from tests.flows.test_images import MakeShop, open_shop
from tests.unit.test_pool_service import make
from xenci.model.image import ImageState

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
