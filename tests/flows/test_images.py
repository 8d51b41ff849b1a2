"""Node images on a real database and fake clouds: made, tried, promoted, rolled back, let go of, or failed."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import select, text

from tests.flows.shop import HOUR, MakeShop, Shop, open_shop
from tests.unit.pool_world import MINUTE, make
from xenci.errors import NotFound
from xenci.host.port import HostLost
from xenci.model.image import ImageState
from xenci.model.node import NodeState
from xenci.providers.port import ApiDown
from xenci.rules.images import RETRY
from xenci.services import tick as rows
from xenci.services.image_use import CannotUse
from xenci.services.pool import tick
from xenci.store.tables import ActionRow

__all__ = ["make", "open_shop"]


def sources(shop: Shop) -> list[str | None]:
    return [row.image for row in shop.world.rows()]


def test_an_image_is_made_tried_promoted_and_then_launched_from(open_shop: MakeShop) -> None:
    shop = open_shop()
    shop.build()
    made = shop.until(ImageState.READY)
    assert made.name == "test-small-image-0001"
    assert (made.base, made.cloud_id, len(made.recipe or "")) == ("standin", shop.snapshots()[made.name].id, 12)
    assert sources(shop) == ["standin", made.name], "made on one node, tried with another"
    assert b"hosts: localhost" in shop.machine.written["/var/lib/xenci/image/node.yml"]
    assert any("rm -rf /var/lib/xenci/image" in said for said in shop.machine.said)
    shop.turn(3)
    assert {row.state for row in shop.world.rows()} == {NodeState.DELETED}
    assert shop.world.ca.servers == {}
    shop.world.queue(1)
    shop.turn(1)
    assert sources(shop)[-1] == "standin", "what nobody promoted is used by nobody"
    assert "from test-small-image-0001 from now on" in shop.promote(1)
    shop.world.ca.servers.clear()
    shop.world.cb.down = ApiDown("away")
    shop.turn(14)
    newest = shop.world.rows()[-1]
    assert (newest.provider, newest.image) == ("ca", "test-small-image-0001")
    with shop.world.ctx.database.session() as session:
        assert {action.what for action in session.scalars(select(ActionRow))} == {
            "image build small --provider ca",
            "image promote test-small-image-0001",
        }


def test_a_rollback_goes_to_the_one_before_and_at_last_to_the_configured_one(open_shop: MakeShop) -> None:
    shop = open_shop()
    for number in (1, 2):
        shop.build(promote=True)
        assert shop.until(ImageState.PROMOTED).id == number
    assert shop.states() == ["retired", "promoted"]
    assert "launched from test-small-image-0001" in shop.rollback()
    assert shop.states() == ["promoted", "retired"]
    assert "launched from standin" in shop.rollback()
    assert shop.states() == ["retired", "retired"]
    assert "has no promoted image" in shop.rollback()
    assert "rolled back by ann: new nova" in shop.images()[0].reason
    shop.promote(2)
    assert shop.states() == ["retired", "promoted"]


def test_old_images_are_deleted_by_count_and_the_promoted_one_never(open_shop: MakeShop) -> None:
    shop = open_shop()
    for _ in range(2):
        shop.build(promote=True)
        shop.until(ImageState.PROMOTED)
    for _ in range(2):
        shop.build()
        shop.until(ImageState.READY)
    shop.turn(2)
    assert shop.states() == ["retired", "promoted", "deleted", "ready"], "the promoted, the one before, the newest"
    assert len(shop.snapshots()) == 3
    assert isinstance(_refused(shop, lambda: shop.promote(3)), CannotUse)


def test_nothing_that_is_not_whole_is_tried(open_shop: MakeShop) -> None:
    shop = open_shop()
    shop.keep_snapshots_waiting()
    shop.build()
    shop.until(ImageState.SNAPSHOTTING)
    shop.turn(3, by=10 * MINUTE)
    assert shop.states() == ["snapshotting"]
    assert len(shop.world.rows()) == 1
    key, image = next(iter(shop.world.ca.snapshots.items()))
    shop.world.ca.snapshots[key] = replace(image, status="killed")
    shop.turn(3)
    assert shop.states() == ["failed"]
    assert shop.snapshots() == {}, "what is left of it is deleted"
    assert "its snapshot is killed" in shop.world.alarms()["image:ca:small"]
    assert shop.images()[0].gone_at is not None
    assert shop.world.rows()[0].state == NodeState.DELETED


def test_a_playbook_that_fails_is_told_with_its_last_words(open_shop: MakeShop) -> None:
    shop = open_shop()
    shop.machine.ends["1"] = 2
    shop.build()
    row = shop.until(ImageState.FAILED)
    assert row.reason == "the playbook ended with 2: fatal: no such package"
    assert shop.snapshots() == {}
    shop.turn(3)
    assert shop.world.ca.servers == {}
    shop.build()
    shop.until(ImageState.READY)
    assert shop.world.alarms() == {}, "the next one that succeeds closes it"


def test_a_node_that_must_be_started_anew_is_proved_in_another_boot(open_shop: MakeShop) -> None:
    shop = open_shop()
    shop.machine.wants_reboot = True
    shop.build()
    shop.until(ImageState.PREPARING)
    shop.turn(4)
    assert shop.states() == ["preparing"]
    assert shop.machine.said.count("systemctl reboot") >= 1
    shop.machine.silent = HostLost("it is down")
    shop.turn(1)
    assert "waits for its node" in shop.images()[0].reason
    shop.machine.silent, shop.machine.boots = None, 2
    assert shop.until(ImageState.READY).boot_id == "boot1"


def test_a_node_that_is_no_xen_host_after_the_playbook_is_no_image(open_shop: MakeShop) -> None:
    shop = open_shop(hypervisor="xen")
    shop.build()
    shop.until(ImageState.PREPARING)
    shop.turn(3, by=HOUR)
    (row,) = shop.images()
    assert row.state == ImageState.FAILED
    assert "preparing took more than 7200 s" in row.reason
    assert shop.snapshots() == {}


def test_a_snapshot_from_which_no_node_comes_up_is_never_ready(open_shop: MakeShop) -> None:
    shop = open_shop()
    shop.build(promote=True)
    shop.until(ImageState.TRYING)
    shop.world.ca.fault = "no bootable device"
    shop.turn(8)
    assert shop.states() == ["failed"]
    assert "no bootable device" in shop.images()[0].reason
    assert shop.snapshots() == {}
    assert [key for key in shop.world.alarms() if key.startswith("provider")] == [], "the label's circuits are not its"


def test_a_full_quota_means_wait_and_a_lost_node_means_failed(open_shop: MakeShop) -> None:
    shop = open_shop()
    shop.world.ca.quota = 0
    shop.machine.ends["1"] = -1
    shop.build()
    shop.turn(4)
    assert shop.states() == ["building"]
    shop.world.ca.quota = 5
    shop.turn(3, by=RETRY)
    shop.until(ImageState.PREPARING)
    shop.world.ca.servers.clear()
    shop.turn(4, by=MINUTE)
    assert shop.states() == ["failed"]
    assert "vanished" in shop.images()[0].reason


def test_an_images_node_takes_a_place_of_its_cloud_and_none_of_its_label(open_shop: MakeShop) -> None:
    shop = open_shop(min_ready=1, max_nodes=1)
    shop.machine.ends["1"] = -1
    shop.build()
    shop.turn(4)
    assert shop.states() == ["preparing"]
    assert [row.image_id for row in shop.world.rows(NodeState.READY)] == [None]
    assert [row.image_id for row in shop.world.rows(NodeState.IN_USE)] == [1]
    rows.repair(shop.world.ctx)
    tick(shop.world.ctx)
    assert len(shop.world.rows(NodeState.IN_USE)) == 1, "no build ends for it"


def test_one_image_of_a_label_is_made_at_a_time_and_what_is_not_offered_is_refused(open_shop: MakeShop) -> None:
    shop = open_shop()
    shop.build()
    assert isinstance(_refused(shop, shop.build), CannotUse)
    shop.build(provider="cb")
    assert isinstance(_refused(shop, lambda: shop.promote(1)), CannotUse)
    assert isinstance(_refused(shop, lambda: shop.build(provider="nowhere")), NotFound)


def test_what_is_under_way_is_nudged_by_tick(open_shop: MakeShop) -> None:
    shop = open_shop()
    rows.tick(shop.world.ctx)
    shop.build()
    with shop.world.ctx.database.session() as session:
        session.execute(text("delete from procrastinate_jobs"))
    rows.tick(shop.world.ctx)
    with shop.world.ctx.database.session() as session:
        waits = text("select count(*) from procrastinate_jobs where task_name = 'image'")
        assert session.execute(waits).scalar() == 1


def _refused(shop: Shop, call: Callable[[], object]) -> BaseException:
    with pytest.raises((CannotUse, NotFound)) as caught:
        call()
    return caught.value
