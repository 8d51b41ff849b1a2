"""Node images where care is needed: kept beside the count, stuck in the cloud, waiting for a cloud, ended by hand."""

from collections.abc import Callable
from threading import Thread
from time import sleep

import pytest
from sqlalchemy import text

from tests.flows.shop import HOUR, MakeShop, Shop, open_shop
from tests.unit.pool_world import MINUTE, SECOND, make
from xenci.errors import Temporary
from xenci.host.port import HostLost
from xenci.model.image import WORKING_STATES, ImageState
from xenci.model.node import NodeState
from xenci.model.pool import Autohold, Terms
from xenci.providers.port import ApiDown
from xenci.rules.images import LEFT_AFTER
from xenci.rules.nodes import ASK_AGAIN
from xenci.services.autoholds import add_autohold
from xenci.services.holds import hold_by_hand
from xenci.services.image_use import cancel_by_hand, lock
from xenci.services.images import advance_image
from xenci.services.life import give
from xenci.services.nodes import request_delete
from xenci.services.overrides import drain, enable, scale
from xenci.store.holds import standing_wishes
from xenci.store.tables import ImageRow, NodeRow

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
    give(shop.world.ctx)
    shop.build()
    shop.until(ImageState.FAILED)
    with shop.world.ctx.database.session() as session:
        session.get_one(ImageRow, 1).gone_at = None
    shop.world.ca.down = ApiDown("away")
    shop.turn(2, by=HOUR)
    assert [key for key in shop.world.alarms() if key.startswith("image-left")] == []


def test_an_image_waits_for_a_cloud_that_the_pool_would_not_ask_either(open_shop: MakeShop) -> None:
    shop = open_shop()
    shop.turn(1)
    override(shop, drain)
    shop.build()
    shop.turn(2)
    assert waits(shop) == "waits: ca is drained by ann"
    override(shop, enable)
    override(shop, scale, 0)
    shop.turn(1)
    assert waits(shop) == "waits for room on ca: 0 of 0 servers are there"
    override(shop, scale, None)
    shop.world.ca.down = ApiDown("away")
    shop.turn(2, by=MINUTE)
    assert waits(shop) == "waits: ca does not answer as it should"
    shop.world.ca.down, shop.world.ca.quota = None, 0
    shop.turn(2, by=10 * MINUTE)
    assert waits(shop) == "waits for room on ca: 0 of 0 servers are there"
    shop.world.ca.quota = 1
    shop.turn(1, by=10 * MINUTE)
    shop.until(ImageState.READY)


def test_what_waited_in_vain_says_for_what(open_shop: MakeShop) -> None:
    shop = open_shop()
    override(shop, drain)
    shop.build()
    shop.turn(3, by=HOUR)
    assert shop.states() == ["failed"]
    assert shop.images()[0].reason.endswith("last: waits: ca is drained by ann")
    assert shop.world.rows() == []


def test_the_node_of_an_image_outlives_a_drain(open_shop: MakeShop) -> None:
    shop = open_shop()
    shop.build()
    shop.turn(1)
    (node,) = shop.world.rows(NodeState.BUILDING)
    override(shop, drain)
    shop.turn(1)
    override(shop, enable)
    override(shop, scale, 0)
    shop.turn(2)
    assert shop.until(ImageState.TRYING).node_id is None
    assert [row.id for row in shop.world.rows()] == [node.id]
    shop.turn(3)
    assert waits(shop).startswith("waits for room on ca")
    override(shop, scale, None)
    shop.until(ImageState.READY)


def test_what_is_left_on_a_cloud_that_is_not_configured_any_more_is_told_while_it_is_so(open_shop: MakeShop) -> None:
    shop = open_shop()
    shop.build()
    shop.until(ImageState.TRYING)
    shop.world.ca.fault = "no bootable device"
    cloud, whole = shop.world.ca, shop.settings
    really = cloud.delete_image
    cloud.delete_image = lambda image_id: None  # type: ignore[method-assign]
    shop.until(ImageState.FAILED)
    shop.turn(2, by=2 * LEFT_AFTER)
    told = set(shop.world.alarms())
    assert {"image:ca:small", "image-left:ca:test-small-image-0001"} <= told
    shop.world.ctx.settings = whole.model_copy(update={"providers": whole.providers[1:]})
    del shop.world.ctx.providers["ca"]
    shop.turn(1)
    told_now = {key: detail for key, detail in shop.world.alarms().items() if key.startswith("image")}
    assert told_now == {"image-away": "test-small-image-0001 on ca"}
    shop.world.ctx.settings = whole
    shop.world.ctx.providers["ca"] = cloud
    cloud.delete_image = really  # type: ignore[method-assign]
    shop.turn(3, by=ASK_AGAIN)
    assert [key for key in shop.world.alarms() if key.startswith("image")] == []
    assert shop.snapshots() == {}


def test_an_image_that_could_not_be_made_is_no_alarm_once_its_label_is_not_offered(open_shop: MakeShop) -> None:
    shop = open_shop()
    shop.machine.ends["1"] = 2
    shop.build()
    shop.until(ImageState.FAILED)
    shop.turn(1)
    assert "image:ca:small" in shop.world.alarms()
    first, *others = shop.settings.providers
    providers = [first.model_copy(update={"labels": []}), *others]
    shop.world.ctx.settings = shop.settings.model_copy(update={"providers": providers})
    shop.turn(1)
    assert "image:ca:small" not in shop.world.alarms()


@pytest.mark.own_database
def test_a_step_waits_for_whoever_promotes_without_keeping_its_row(open_shop: MakeShop) -> None:
    shop = open_shop()
    shop.build(promote=True)
    shop.until(ImageState.TRYING)
    while not shop.world.rows(NodeState.IN_USE) or shop.images()[0].node_id is None:
        shop.world.turn(1)
        if shop.images()[0].node_id is None:
            advance_image(shop.world.ctx, 1)
    step = Thread(target=advance_image, args=(shop.world.ctx, 1))
    with shop.world.ctx.database.session() as session:
        lock(session, "ca", "small")
        step.start()
        until_blocked(shop, step)
        session.get_one(ImageRow, 1, with_for_update={"nowait": True})
    step.join(60)
    assert shop.states() == ["promoted"]


def until_blocked(shop: Shop, step: Thread) -> None:
    """Come back when somebody waits for an advisory lock of the database."""
    query = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
    while step.is_alive():
        with shop.world.ctx.database.session() as session:
            if session.execute(text(query)).scalar():
                return
        sleep(0.01)
    raise AssertionError("the step has ended")


def test_a_standing_wish_holds_no_node_of_an_image_and_a_word_about_this_one_does(open_shop: MakeShop) -> None:
    shop = open_shop(deadlines={"ssh": "1m"})
    shop.machine.silent = HostLost("10.0.0.1: connection refused")
    terms = Terms(owner="dana", reason="looks why", length=HOUR)
    with shop.world.ctx.database.session() as session:
        add_autohold(session, shop.settings, Autohold(label="small", endings=("ssh",)), terms, shop.wish)
    shop.build()
    shop.until(ImageState.FAILED)
    shop.turn(2)
    assert [row.state for row in shop.world.rows()] == [NodeState.DELETED]
    with shop.world.ctx.database.session() as session:
        assert [wish.left for wish in standing_wishes(session)] == [1]
    shop.build()
    shop.turn(2)
    named = shop.world.rows()[-1]
    with shop.world.ctx.database.session() as session:
        hold_by_hand(session, session.get_one(NodeRow, named.id), terms, shop.wish)
    shop.until(ImageState.FAILED)
    assert [row.id for row in shop.world.rows(NodeState.HOLD)] == [named.id]


@pytest.mark.parametrize("state", sorted(WORKING_STATES))
def test_an_image_is_ended_by_hand_whatever_is_done_with_it(open_shop: MakeShop, state: ImageState) -> None:
    shop = open_shop()
    if state is ImageState.PREPARING:
        shop.machine.ends["1"] = -1
    shop.build()
    shop.until(state)
    with shop.world.ctx.database.session() as session:
        cancel_by_hand(session, session.get_one(ImageRow, 1), shop.wish)
    shop.turn(4, by=MINUTE)
    (row,) = shop.images()
    assert (row.state, row.reason, row.node_id) == ("failed", "ended by ann: new nova", None)
    assert row.gone_at is not None
    assert (shop.snapshots(), shop.world.ca.servers, shop.world.alarms()) == ({}, {}, {})
    assert shop.is_still()


def test_an_image_whose_node_is_deleted_before_its_snapshot_is_whole_is_ended(open_shop: MakeShop) -> None:
    shop = open_shop()
    shop.keep_snapshots_waiting()
    shop.build()
    row = shop.until(ImageState.SNAPSHOTTING)
    shop.turn(1)
    assert shop.images()[0].asked_at is not None
    request_delete(shop.world.ctx, row.node_id or 0, "deleted by ann")
    shop.turn(3)
    assert shop.states() == ["failed"]
    assert "deleted by ann" in shop.images()[0].reason
    assert shop.snapshots() == {}


def waits(shop: Shop) -> str:
    """Return what the only image, which has no node, waits for."""
    (row,) = shop.images()
    assert row.node_id is None
    return row.reason


def override(shop: Shop, word: Callable[..., str], *value: int | None) -> None:
    """Say something of `ca` as an operator."""
    with shop.world.ctx.database.session() as session:
        word(session, shop.settings, "ca", *value, shop.wish)
