"""Nodes that are held for a person: when it begins, who gets in, when it ends, and what it costs the pool."""

import subprocess
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import select

from tests.contracts.local_host import LocalHost
from tests.unit.pool_world import FakeHost, MakeWorld, World, make
from xenci.errors import NotFound
from xenci.host.port import Host, HostLost, Output
from xenci.host.visitors import add_key, remove_key
from xenci.model.node import NodeState
from xenci.model.pool import Autohold, Terms, Wish
from xenci.rules.holds import LONGEST_HOLD, read_public_key, ssh_command
from xenci.services import tick as rows
from xenci.services.autoholds import add_autohold, end_autohold
from xenci.services.holds import CannotHold, hold_by_hand, release_by_hand, way_in
from xenci.services.keep import keep_ended
from xenci.services.pool import claim, release
from xenci.services.visits import keys_wanted
from xenci.store.holds import open_hold, standing_wishes
from xenci.store.tables import ActionRow, BuildRow, HoldRow, NodeRow

__all__ = ["make"]
pytestmark = pytest.mark.own_database

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIErAcUwUrj6ET4+52KEJPUslLc0PAbGIYz0xvjjMqiPc"
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


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


def test_a_node_in_use_is_held_when_its_build_has_ended_and_deleted_when_its_time_is_over(make: MakeWorld) -> None:
    world = make(min_ready=1, max_nodes=1)
    world.queue(1)
    world.turn(3)
    node = take(world)
    assert hold(world, node.id).endswith("as soon as its build has ended")
    world.turn(2)
    assert world.rows()[0].state == NodeState.IN_USE
    end(world, node, "SUCCESS")
    world.turn(5, by=10 * MINUTE)
    (row,) = world.rows()
    assert (row.state, row.server_id) == (NodeState.HOLD, node.server_id), "it takes the label's only place"
    assert row.reason == "held for dana: looks why; build 1 has ended: SUCCESS"
    world.turn(4, by=10 * MINUTE)
    gone, new = world.rows()
    assert (gone.state, gone.reason) == (NodeState.DELETED, "its hold for dana has ended: its time is over")
    assert new.state == NodeState.READY


def test_a_ready_node_is_held_at_once_and_another_takes_its_place(make: MakeWorld) -> None:
    world = make(min_ready=1)
    world.turn(3)
    (ready,) = world.rows()
    assert "is held for dana until 2026-03-01 13:00 UTC" in hold(world, ready.id)
    with world.ctx.database.session() as session:
        assert claim(session, "small", 1) is None
    world.turn(3)
    held, other = world.rows()
    assert (held.state, other.state) == (NodeState.HOLD, NodeState.READY)
    assert let_go(world, ready.id) == f"{ready.name} is released and being deleted"
    world.turn(3)
    assert world.rows()[0].state == NodeState.DELETED
    with pytest.raises(NotFound, match="Nobody holds"):
        let_go(world, ready.id)
    with world.ctx.database.session() as session:
        said = [row.what for row in session.scalars(select(ActionRow).order_by(ActionRow.id))]
    assert said == [f"node hold {ready.name} for dana, 1:00:00", f"node release {ready.name}"]


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


def nudged(world: World) -> None:
    """Take the held nodes further, as their nudges do."""
    from xenci.services.nodes import advance_node

    for row in world.rows(NodeState.HOLD):
        advance_node(world.ctx, row.id)


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


def test_a_launch_that_fails_is_held_by_a_standing_wish_with_its_server(make: MakeWorld) -> None:
    world = make(min_ready=1, deadlines={"ssh": "1m"})
    world.silent.append(HostLost("10.0.0.1: connection refused"))
    with world.ctx.database.session() as session:
        what = Autohold(label="small", endings=("ssh", "xen"))
        add_autohold(session, world.ctx.settings, what, terms(), wish(world))
    world.turn(20)
    first, *others = world.rows()
    assert (first.state, first.failure) == (NodeState.HOLD, "ssh")
    assert first.reason.startswith("held for dana: looks why (its launch failed: ssh); SSH does not answer")
    assert first.server_id in {**world.ca.servers, **world.cb.servers}
    assert {row.state for row in others if row.failure} <= {NodeState.DELETING, NodeState.DELETED}, "once"
    with world.ctx.database.session() as session:
        assert standing_wishes(session) == []


@pytest.mark.parametrize(("ending", "why"), [("boot", "the server is ERROR"), ("network", "it has no address")])
def test_a_server_that_never_ran_is_held_too_though_there_is_no_way_in(make: MakeWorld, ending: str, why: str) -> None:
    world = make(min_ready=1, deadlines={"boot": "1m"})
    world.ca.has_floating = world.cb.has_floating = ending == "network"
    world.ca.fault = world.cb.fault = "" if ending == "network" else "the disk is broken"
    with world.ctx.database.session() as session:
        what = Autohold(label="small", endings=("boot", "network"))
        add_autohold(session, world.ctx.settings, what, terms(key=KEY), wish(world))
    world.turn(16)
    (row,) = world.rows(NodeState.HOLD)
    assert (row.failure, row.address) == (ending, None)
    assert why in row.reason
    assert row.server_id in {**world.ca.servers, **world.cb.servers}
    assert way_in(world.ctx.settings, row) == ""
    nudged(world)
    with world.ctx.database.session() as session:
        held = open_hold(session, row.id)
        assert held is not None
        assert (held.key_error, held.may_have_key) == ("the node has no address", False)


def test_a_standing_wish_counts_and_is_about_its_job_result_and_change_alone(make: MakeWorld) -> None:
    world = make(min_ready=4)
    world.queue(1)
    world.turn(3)
    with world.ctx.database.session() as session:
        for what in (
            Autohold(job="job", endings=("FAILURE", "TIMED_OUT"), change=2),
            Autohold(job="job", endings=("FAILURE", "TIMED_OUT"), change=1, count=2),
        ):
            add_autohold(session, world.ctx.settings, what, terms(), wish(world))
    states = []
    for result in ("SUCCESS", "FAILURE", "TIMED_OUT", "FAILURE"):
        node = take(world)
        end(world, node, result)
        states.append(world.rows()[node.id - 1].state)
    assert states == [NodeState.USED, NodeState.HOLD, NodeState.HOLD, NodeState.USED]
    with world.ctx.database.session() as session:
        (left,) = standing_wishes(session)
        assert left.change == 2
        assert end_autohold(session, left.id, wish(world)) == "autohold 1 holds no more nodes"
        assert end_autohold(session, left.id, wish(world)) == "autohold 1 has ended already"
        held = session.scalars(select(HoldRow).order_by(HoldRow.id)).first()
        assert held is not None
        assert held.reason == "looks why (build 1 ended as FAILURE)"


def test_a_held_node_whose_server_vanishes_is_no_hold_any_more(make: MakeWorld) -> None:
    world = make(min_ready=1)
    world.turn(3)
    (ready,) = world.rows()
    hold(world, ready.id)
    world.ca.servers.clear()
    world.cb.servers.clear()
    world.turn(4, by=MINUTE)
    assert world.rows()[0].state == NodeState.DELETED
    with world.ctx.database.session() as session:
        assert open_hold(session, ready.id) is None


def test_a_hold_that_has_not_begun_is_taken_back_without_a_trace(make: MakeWorld) -> None:
    world = make(min_ready=1)
    world.turn(1, settle=False)
    (row,) = world.rows()
    assert hold(world, row.id).endswith("as soon as it is ready or its launch has failed")
    assert let_go(world, row.id) == f"{row.name} will not be held"
    world.turn(3)
    assert world.rows()[0].state == NodeState.READY


def test_what_cannot_be_held_is_refused_with_a_remedy(make: MakeWorld) -> None:
    world = make(min_ready=1)
    world.turn(3)
    (ready,) = world.rows()
    for length in (timedelta(0), LONGEST_HOLD + MINUTE):
        with pytest.raises(CannotHold, match="14 days"):
            hold(world, ready.id, length)
    with world.ctx.database.session() as session:
        session.get_one(NodeRow, ready.id).state = NodeState.DELETED
    with pytest.raises(CannotHold, match="deleted already"):
        hold(world, ready.id)
    wrong = [
        (Autohold(job="nothing", endings=("FAILURE",)), "there are job"),
        (Autohold(job="job", endings=("ssh",)), "there are SUCCESS, FAILURE"),
        (Autohold(label="small", endings=("quota",)), "there are boot, network, ssh, xen"),
        (Autohold(endings=("FAILURE",)), "either a job or a label"),
        (Autohold(job="job", endings=("FAILURE",), count=0), "from 1 to 100"),
    ]
    for what, words in wrong:
        with world.ctx.database.session() as session, pytest.raises(CannotHold, match=words):
            add_autohold(session, world.ctx.settings, what, terms(), wish(world))


def test_the_way_in_is_told(make: MakeWorld) -> None:
    world = make(min_ready=1, ssh_port=2222)
    world.turn(3)
    (ready,) = world.rows()
    assert way_in(world.ctx.settings, ready) == f"ssh -p 2222 root@{ready.address}"
    assert ssh_command(user="me", address="10.0.0.1", port=22) == "ssh me@10.0.0.1"


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
