"""The operator's hand on the command line: pool, holds, automatic holds, tokens."""

import json
import re
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.flows.test_cli import Call, call
from tests.flows.test_consider import hear
from tests.flows.world import World
from xenci.errors import ConfigError, NotFound
from xenci.model.pool import OverrideKind
from xenci.services.consider import consider
from xenci.services.holds import CannotHold
from xenci.services.prepare import prepare
from xenci.store.overrides import read_overrides
from xenci.store.tables import ActionRow, HoldRow, NodeRow, TokenRow
from xenci.store.tokens import owner_of

__all__ = ["call"]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIErAcUwUrj6ET4+52KEJPUslLc0PAbGIYz0xvjjMqiPc"


def make_build(world: World) -> NodeRow:
    """Have build 1 run on node 1."""
    change = world.gerrit.push().change
    hear(world, "patchset-created", change)
    consider(world.ctx, change)
    prepare(world.ctx, 1)
    return world.give_node(world.buildsets()[0].builds[0].id)


def shown(call: Call) -> dict[str, list[dict[str, object]]]:
    return json.loads(call("pool", "show", "--json").stdout)  # type: ignore[no-any-return]


def test_the_pool_is_scaled_drained_and_shown(world: World, call: Call) -> None:
    (label,) = shown(call)["labels"]
    assert (label["min_ready"], label["max_nodes"], label["set_by"]) == (0, 4, "")
    assert call("pool", "scale", "xen", "9", "-r", "a busy week").stdout == "xen may have 9 nodes at most\n"
    assert call("pool", "min-ready", "xen", "2").exit_code == 0
    assert call("pool", "drain", "ca", "--reason", "its network").exit_code == 0
    found = shown(call)
    assert (found["labels"][0]["min_ready"], found["labels"][0]["max_nodes"]) == (2, 9)
    assert "max nodes by" in str(found["labels"][0]["set_by"])
    assert "(a busy week)" in str(found["labels"][0]["set_by"])
    assert found["providers"][0]["state"] == "drained"
    assert "drained" in call("pool", "show").stdout
    assert call("pool", "enable", "ca").stdout == "ca is used again\n"
    assert call("pool", "scale", "xen", "--reset").stdout == "xen is as configured again\n"
    with world.database.session() as session:
        assert set(read_overrides(session)) == {(OverrideKind.MIN_READY, "xen")}
        assert len(session.scalars(select(ActionRow)).all()) == 5
    assert world.nudges("pool") == [0]


def test_what_is_no_command_is_refused(world: World, call: Call) -> None:
    assert isinstance(call("pool", "scale", "xen").exception, ConfigError)
    assert isinstance(call("pool", "scale", "xen", "3", "--reset").exception, ConfigError)
    assert isinstance(call("pool", "drain", "nowhere").exception, NotFound)
    assert isinstance(call("node", "hold", "1", "-r", "x", "--for", "soon").exception, ConfigError)


def test_a_builds_node_is_held_with_a_key_and_released(world: World, call: Call) -> None:
    node = make_build(world)
    key = world.folder / "k.pub"
    key.write_text(f"{KEY} dana@desk\n")
    told = call("node", "hold", "build:1", "--owner", "dana", "-r", "looks", "--for", "90m", "--key", str(key))
    assert told.exit_code == 0, told.output
    assert f"{node.name} will be held for dana for 1:30:00 as soon as its build has ended" in told.stdout
    assert "ssh root@127.0.0.2" in told.stdout
    with world.database.session() as session:
        (row,) = session.scalars(select(HoldRow))
        assert (row.public_key, row.seconds, row.reason) == (KEY, 5400, "looks")
    assert "for dana, not begun yet: looks" in call("node", "show", node.name).stdout
    assert call("node", "release", node.name).stdout == f"{node.name} will not be held\n"
    assert isinstance(call("node", "release", node.name).exception, NotFound)


def test_a_private_key_is_never_taken(world: World, call: Call, tmp_path: Path) -> None:
    node = make_build(world)
    private = tmp_path / "id"
    private.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n")
    told = call("node", "hold", node.name, "-r", "x", "--key", str(private))
    assert isinstance(told.exception, ConfigError)
    assert "never the private key" in told.exception.sentence


def test_automatic_holds_are_added_listed_and_taken_back(world: World, call: Call) -> None:
    told = call("autohold", "add", "--job", "xen-tempest", "--count", "2", "-r", "why does it hang")
    assert told.stdout == "autohold 1: the next 2 of xen-tempest that end as FAILURE\n"
    told = call("autohold", "add", "--label", "xen", "--failure", "ssh", "-r", "boots badly", "--for", "2h")
    assert told.stdout == "autohold 2: the next 1 of xen that end as ssh\n"
    listed = json.loads(call("autohold", "list", "--json").stdout)
    assert [(one["of"], one["left"], one["for"]) for one in listed] == [
        ("job xen-tempest", 2, "1 day, 0:00:00"),
        ("label xen", 1, "2:00:00"),
    ]
    assert call("autohold", "delete", "1").exit_code == 0
    assert len(json.loads(call("autohold", "list", "--json").stdout)) == 1
    assert isinstance(call("autohold", "add", "--label", "nix", "-r", "x").exception, CannotHold)
    assert isinstance(call("autohold", "delete", "7").exception, NotFound)


def test_a_token_is_told_once_kept_as_a_hash_and_revoked(world: World, call: Call) -> None:
    token = call("token", "add", "dana").stdout.strip().splitlines()[0]
    assert re.fullmatch(r"xenci_[\w-]{40,}", token)
    with world.database.session() as session:
        (row,) = session.scalars(select(TokenRow))
        assert token not in str(vars(row))
        assert owner_of(session, token) == "dana"
        assert owner_of(session, f"{token}x") is None
    assert call("token", "add", "dana").exit_code != 0
    assert token not in call("token", "list").stdout
    assert call("token", "revoke", "dana").exit_code == 0
    with world.database.session() as session:
        assert owner_of(session, token) is None
    assert call("token", "add", "dana").exit_code == 0


def test_a_node_without_a_server_has_no_console(world: World, call: Call) -> None:
    node = make_build(world)
    assert isinstance(call("node", "console", node.name).exception, NotFound)


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "a\n"])
def test_a_token_needs_a_name_that_can_be_written_down(world: World, call: Call, name: str) -> None:
    assert call("token", "add", name).exit_code != 0
