"""Node images on a real database and fake clouds: made, tried, promoted, rolled back, let go of; killed in between."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import select, text

from tests.flows.node import ScriptedNode
from tests.unit.pool_world import MINUTE, SECOND, MakeWorld, World, make
from xenci.config.models import Settings
from xenci.errors import NotFound
from xenci.host.port import Host, HostLost, Output
from xenci.model.image import ImageState
from xenci.model.leftover import Image, Kind
from xenci.model.node import LIVE_STATES, NodeState
from xenci.model.pool import Wish
from xenci.providers.port import ApiDown
from xenci.rules.images import RETRY
from xenci.rules.leaks import GRACE
from xenci.services import tick as rows
from xenci.services.image_use import CannotUse, build_by_hand, promote_by_hand, rollback_by_hand
from xenci.services.images import advance_image
from xenci.services.pool import tick
from xenci.services.sweep import EVERY
from xenci.store.images import is_moving
from xenci.store.tables import ActionRow, ImageRow

__all__ = ["make"]
HOUR = 60 * MINUTE


@dataclass(slots=True)
class Machine(ScriptedNode):
    """A node whose playbook ends as it is told to; it knows its boots."""

    boots: int = 1
    wants_reboot: bool = False
    said: list[str] = field(default_factory=list)
    written: dict[str, bytes] = field(default_factory=dict)

    def run(self, command: str, *, timeout: timedelta, input: bytes = b"") -> Output:
        self._answer()
        self.said.append(command)
        told = b""
        if "boot_id" in command:
            told = f"boot{self.boots}\n{'reboot' if self.wants_reboot else ''}".encode()
        if command.startswith("tail"):
            told = b"fatal: no such package"
        return Output(exit_code=0, stdout=told, stderr=b"")

    def write(self, path: str, data: bytes, *, mode: int = 0o600) -> None:
        self._answer()
        self.written[path] = data


@dataclass
class Shop:
    """The pool's world with machines that images are made on."""

    world: World
    machine: Machine

    def turn(self, times: int = 1, *, by: timedelta = 5 * SECOND) -> None:
        """Let the pool and every image go on."""
        for _ in range(times):
            self.world.turn(1, by=by)
            for number in self.moving():
                advance_image(self.world.ctx, number)

    def keep_snapshots_waiting(self) -> None:
        """Let no snapshot become whole from now on."""
        settle = self.world.ca.settle

        def slowly() -> None:
            waiting = dict(self.world.ca.snapshots)
            settle()
            self.world.ca.snapshots = waiting

        self.world.ca.settle = slowly  # type: ignore[method-assign]

    def moving(self) -> list[int]:
        """Return the images with which something is to be done."""
        query = select(ImageRow.id).where(is_moving(self.world.ctx.providers)).order_by(ImageRow.id)
        with self.world.ctx.database.session() as session:
            return list(session.scalars(query))

    def images(self) -> list[ImageRow]:
        with self.world.ctx.database.session() as session:
            return list(session.scalars(select(ImageRow).order_by(ImageRow.id)))

    def states(self) -> list[str]:
        return [row.state for row in self.images()]

    def build(self, *, promote: bool = False, provider: str = "ca") -> None:
        with self.world.ctx.database.session() as session:
            build_by_hand(session, self.settings, "small", self.wish, provider=provider, promote=promote)

    def promote(self, number: int) -> str:
        with self.world.ctx.database.session() as session:
            return promote_by_hand(session, session.get_one(ImageRow, number), self.wish)

    def rollback(self) -> str:
        with self.world.ctx.database.session() as session:
            (said,) = rollback_by_hand(session, self.settings, "small", self.wish, provider="ca")
            return said

    def until(self, state: ImageState) -> ImageRow:
        """Go on until the newest image is in a state."""
        for _ in range(20):
            if self.images()[-1].state == state:
                return self.images()[-1]
            self.turn()
        raise AssertionError([(row.state, row.reason) for row in self.images()])

    @property
    def settings(self) -> Settings:
        return self.world.ctx.settings

    @property
    def wish(self) -> Wish:
        return Wish(who="ann", reason="new nova", at=self.world.at[0])

    def is_still(self) -> bool:
        """Tell whether nothing is to be done with any image or node."""
        return not self.moving() and not self.world.rows(*LIVE_STATES)

    def snapshots(self) -> dict[str, Image]:
        return {image.name: image for image in self.world.ca.snapshots.values()}


MakeShop = Callable[..., Shop]


@pytest.fixture
def open_shop(make: MakeWorld, tmp_path: Path) -> MakeShop:
    def open_it(**label: Any) -> Shop:
        world = make(**({"min_ready": 0} | label))
        machine = Machine(tmp_path, ends=dict.fromkeys(map(str, range(1, 20)), 0))
        world.ctx.hosts._connect = lambda *_: cast(Host, machine)
        return Shop(world, machine)

    return open_it


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


def _refused(shop: Shop, call: Callable[[], object]) -> BaseException:
    with pytest.raises((CannotUse, NotFound)) as caught:
        call()
    return caught.value
