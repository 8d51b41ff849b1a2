"""Holds nodes, lets go of them, ends their builds; and a machine that notes whose keys it was given."""

from dataclasses import dataclass, field
from datetime import timedelta

from tests.unit.pool_world import FakeHost, World
from xenci.host.port import HostLost, Output
from xenci.model.node import NodeState
from xenci.model.pool import Terms, Wish
from xenci.services.holds import hold_by_hand, release_by_hand
from xenci.services.keep import keep_ended
from xenci.services.pool import claim, release
from xenci.store.tables import BuildRow, NodeRow

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIErAcUwUrj6ET4+52KEJPUslLc0PAbGIYz0xvjjMqiPc"
HOUR = timedelta(hours=1)


@dataclass
class Guestbook(FakeHost):
    """A machine that notes what it was told to do with keys."""

    said: list[str] = field(default_factory=list)
    lost: HostLost | None = None

    def run(self, command: str, *, timeout: timedelta, input: bytes = b"") -> Output:
        if self.lost is not None:
            raise self.lost
        if input:
            self.said.append(("+ " if "printf" in command else "- ") + input.decode())
        return super().run(command, timeout=timeout)


def terms(length: timedelta = HOUR, key: str | None = None) -> Terms:
    return Terms(owner="dana", reason="looks why", length=length, public_key=key)


def hold(world: World, node: int, length: timedelta = HOUR, key: str | None = None) -> str:
    with world.ctx.database.session() as session:
        return hold_by_hand(session, session.get_one(NodeRow, node), terms(length, key), wish(world))


def held_with_keys(world: World, node: int, *keys: str | None) -> None:
    """Hold a node by new terms again and again, each time with this key; the node is visited after each."""
    for key in keys:
        hold(world, node, key=key)
        nudged(world)


def let_go(world: World, node: int) -> str:
    with world.ctx.database.session() as session:
        return release_by_hand(session, session.get_one(NodeRow, node), wish(world))


def wish(world: World) -> Wish:
    return Wish(who="ann", at=world.at[0])


def take(world: World) -> NodeRow:
    """Give a ready node to build 1."""
    with world.ctx.database.session() as session:
        node = claim(session, "small", 1)
        assert node is not None
        return node


def end(world: World, node: NodeRow, result: str, job: str = "job") -> None:
    """End build 1 on its node, as the judge does."""
    with world.ctx.database.session() as session:
        build = session.get_one(BuildRow, 1)
        build.result, build.job, build.finished_at = result, job, world.at[0]
        keep_ended(session, node.id, build)
        release(session, node.id, f"build 1 has ended: {result}", at=world.at[0])


def nudged(world: World) -> None:
    """Take the held nodes further, as their nudges do."""
    from xenci.services.nodes import advance_node

    for row in world.rows(NodeState.HOLD):
        advance_node(world.ctx, row.id)
