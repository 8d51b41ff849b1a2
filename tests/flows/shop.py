"""The pool's world with machines that node images are made on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import select

from tests.flows.node import ScriptedNode
from tests.unit.pool_world import MINUTE, SECOND, MakeWorld, World
from xenci.config.models import Settings
from xenci.host.port import Host, Output
from xenci.model.image import ImageState
from xenci.model.leftover import Image
from xenci.model.node import LIVE_STATES
from xenci.model.pool import Wish
from xenci.services.image_use import build_by_hand, promote_by_hand, rollback_by_hand
from xenci.services.images import advance_image
from xenci.store.images import is_moving
from xenci.store.tables import ImageRow

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
