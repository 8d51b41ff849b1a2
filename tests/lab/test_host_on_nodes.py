"""The contract of a Host, kept by a stand-in: SSH and nothing else. A Xen host: tests/lab/xen/test_host.py."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contracts.host_contract import SOON, CommandContract
from tests.lab.doors import entered, make_key, restored
from xenci.host.connection import SshHost
from xenci.host.door import Door
from xenci.host.port import CommandFailed, HostKeyChanged, HostLost
from xenci.host.xen import prove_host


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with restored("standin", tmp_path_factory.mktemp("standin")) as door:
        yield door


class TestStandinCommands(CommandContract):
    pass


class TestConnections:
    """What a connection does when the world is not as it should be."""

    def test_another_host_key_than_the_consoles_is_refused(self, door: Door, tmp_path: Path) -> None:
        other = " ".join(make_key(tmp_path).with_suffix(".pub").read_text().split()[:2])
        with pytest.raises(HostKeyChanged, match="Delete the node"):
            entered(replace(door, host_key=other))

    def test_a_key_that_the_node_does_not_know_is_told_as_such(self, door: Door, tmp_path: Path) -> None:
        with pytest.raises(HostLost, match="refuses our key"):
            entered(replace(door, key=make_key(tmp_path)))

    def test_where_nobody_listens_the_host_is_lost(self, door: Door) -> None:
        with pytest.raises(HostLost):
            entered(replace(door, port=1))

    def test_a_connection_that_broke_is_made_anew_by_the_next_command(self, host: SshHost) -> None:
        with pytest.raises(HostLost):
            host.run("kill -9 $PPID; sleep 5", timeout=SOON)
        assert host.run("echo here", timeout=SOON).stdout == b"here\n"


class TestStandinIsNoXen:
    def test_a_machine_without_xen_does_not_pass_for_one(self, host: SshHost) -> None:
        with pytest.raises(CommandFailed, match="Xen does not answer"):
            prove_host(host)
