"""Keys of those for whom nodes are held: read, put on the node, and taken away."""

import subprocess
from pathlib import Path
from typing import cast

import pytest

from tests.contracts.local_host import LocalHost
from tests.unit.held_nodes import HOUR, KEY, Guestbook, held_with_keys, hold, let_go, nudged
from tests.unit.pool_world import MINUTE, MakeWorld, make
from xenci.host.port import Host, HostLost
from xenci.host.visitors import add_key, remove_key
from xenci.model.node import NodeState
from xenci.rules.holds import read_public_key
from xenci.services import tick as rows
from xenci.services.visits import keys_wanted
from xenci.store.holds import open_hold

__all__ = ["make"]
pytestmark = pytest.mark.own_database


def test_the_owners_key_is_put_on_the_node_and_taken_away_before_it_is_deleted(make: MakeWorld) -> None:
    world = make(min_ready=1)
    book = Guestbook("10.0.0.1")
    world.ctx.hosts._connect = lambda *_: cast(Host, book)
    world.turn(3)
    (ready,) = world.rows()
    hold(world, ready.id, key=KEY)
    for _ in range(3):
        rows.tick(world.ctx)
        world.turn(1)
    assert book.said == [], "the engine's own nudge puts it there"
    nudged(world)
    nudged(world)
    assert book.said == [f"+ {KEY} xenci-hold-1"]
    let_go(world, ready.id)
    world.turn(3)
    assert book.said == [f"+ {KEY} xenci-hold-1", "- xenci-hold-1"]
    assert world.rows()[0].state == NodeState.DELETED


def test_a_former_owners_key_leaves_the_node_when_another_comes_or_none(make: MakeWorld) -> None:
    world = make(min_ready=1)
    book = Guestbook("10.0.0.1")
    world.ctx.hosts._connect = lambda *_: cast(Host, book)
    world.turn(3)
    (ready,) = world.rows()
    held_with_keys(world, ready.id, "ssh-ed25519 ANN", "ssh-ed25519 BOB", None)
    expected = [
        "+ ssh-ed25519 ANN xenci-hold-1",
        "- xenci-hold-1",
        "+ ssh-ed25519 BOB xenci-hold-1",
        "- xenci-hold-1",
    ]
    assert book.said == expected
    rows_wanted = keys_wanted(world.at[0] + HOUR)
    with world.ctx.database.session() as session:
        assert session.scalars(rows_wanted).all() == []
    let_go(world, ready.id)
    world.turn(3)
    assert book.said == expected, "nothing is there any more"


def test_a_key_that_could_not_be_taken_away_is_tried_again_and_once_more_at_the_end(make: MakeWorld) -> None:
    world = make(min_ready=1)
    book = Guestbook("10.0.0.1")
    world.ctx.hosts._connect = lambda *_: cast(Host, book)
    world.turn(3)
    (ready,) = world.rows()
    held_with_keys(world, ready.id, KEY)
    book.lost = HostLost("10.0.0.1: no route")
    held_with_keys(world, ready.id, None)
    with world.ctx.database.session() as session:
        assert session.scalars(keys_wanted(world.at[0] + HOUR)).all() == [ready.id]
    book.lost = None
    let_go(world, ready.id)
    world.turn(3)
    assert book.said == [f"+ {KEY} xenci-hold-1", "- xenci-hold-1"]


def test_a_node_that_lets_nobody_in_is_tried_now_and_then_and_deleted_all_the_same(make: MakeWorld) -> None:
    world = make(min_ready=1)
    world.turn(3)
    (ready,) = world.rows()
    hold(world, ready.id, key=KEY)
    tries: list[str] = []

    def connect(address: str, *_: object) -> Host:
        tries.append(address)
        raise HostLost("10.0.0.1: no route")

    world.ctx.hosts.close()
    world.ctx.hosts._connect = connect
    nudged(world)
    nudged(world)
    assert len(tries) == 1
    world.at[0] += MINUTE
    nudged(world)
    assert len(tries) == 2
    with world.ctx.database.session() as session:
        row = open_hold(session, ready.id)
        assert row is not None
        assert "no route" in row.key_error
    let_go(world, ready.id)
    world.turn(3)
    assert world.rows()[0].state == NodeState.DELETED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 AAAA",
        f"ssh-rsa {KEY.split()[1]}",
        f'command="rm -rf /" {KEY}',
        f"ssh-ed25519 {KEY.split()[1]}!",
    ],
)
def test_what_is_no_public_key_is_not_taken_for_one(text: str) -> None:
    assert read_public_key(text) is None


def test_a_public_key_is_read_without_its_comment(tmp_path: Path) -> None:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "dana at work", "-f", tmp_path / "k"], check=True
    )
    text = (tmp_path / "k.pub").read_text()
    assert read_public_key(text) == " ".join(text.split()[:2])
    assert read_public_key(KEY) == KEY


def test_a_key_is_added_once_and_taken_away_alone(tmp_path: Path) -> None:
    host = LocalHost(tmp_path)
    user = subprocess.run(["id", "-un"], check=True, capture_output=True, text=True).stdout.strip()
    file = tmp_path / "home" / ".ssh" / "authorized_keys"
    file.parent.mkdir(parents=True)
    file.write_text("ssh-rsa AAAA first")  # without a newline at its end
    for _ in range(2):
        add_key(host, user, KEY, "xenci-hold-7", file=str(file))
    assert file.read_text() == f"ssh-rsa AAAA first\n{KEY} xenci-hold-7\n"
    assert file.stat().st_mode & 0o777 == 0o600
    remove_key(host, user, "xenci-hold-77", file=str(file))
    remove_key(host, user, "xenci-hold-7", file=str(file))
    assert file.read_text() == "ssh-rsa AAAA first\n"
    remove_key(host, user, "xenci-hold-7", file=str(tmp_path / "none"))
