"""The contract of a Host, kept by real machines: a Xen node, and a stand-in, which has SSH and nothing else.

They are restored outside of any cloud, as only SSH matters here; their host keys are learned from their consoles.
"""

import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.contracts.host_contract import SOON, CommandContract, TreeContract, UnitContract, gathered
from xenci.host.connection import SshHost, connect
from xenci.host.door import Door
from xenci.host.keys import host_keys_of_console
from xenci.host.port import CommandFailed, HostKeyChanged, HostLost, Unit, UnitState
from xenci.host.xen import domains, prove_host
from xenci.lab import images
from xenci.lab.images.machine import remove, restore
from xenci.lab.paths import LabPaths

pytestmark = pytest.mark.lab


def make_key(folder: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key"], check=True)
    return folder / "key"


@contextmanager
def restored(image: str, folder: Path) -> Iterator[Door]:
    """Restore a machine, wait until SSH lets us in by the key that its console told, and end it afterwards."""
    golden, key = images.ensure(LabPaths.of_environment(), image), make_key(folder)
    with socket.create_server(("127.0.0.1", 0)) as chosen:
        port = int(chosen.getsockname()[1])
    try:
        machine = restore(golden, folder / "m", ssh_port=port, public_key=key.with_suffix(".pub").read_text())
        limit = time.monotonic() + 300
        while True:
            keys = host_keys_of_console(machine.console.read_text(errors="replace"))
            door = Door(address="127.0.0.1", port=port, user="root", key=key, host_key=keys[0] if keys else "")
            try:
                if keys:
                    entered(door).close()
                    break
            except HostLost:
                assert time.monotonic() < limit, "SSH does not answer"
            time.sleep(0.5)
        yield door
    finally:
        remove(folder / "m")


@pytest.fixture(scope="module")
def standin_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with restored("standin", tmp_path_factory.mktemp("standin")) as door:
        yield door


@pytest.fixture(scope="module")
def xen_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with restored("xen-dom0-bookworm", tmp_path_factory.mktemp("xen")) as door:
        yield door


def entered(door: Door) -> SshHost:
    return connect(door.address, user=door.user, key=door.key, host_key=door.host_key, port=door.port)


@pytest.fixture
def place() -> str:
    return f"/var/tmp/xenci-contract/{uuid.uuid4().hex}"


@pytest.fixture(scope="class")
def door(request: pytest.FixtureRequest) -> Door:
    """The way into a Xen node for the classes marked so, into a stand-in for the others."""
    is_xen = request.node.get_closest_marker("xen") is not None
    door: Door = request.getfixturevalue("xen_node" if is_xen else "standin_node")
    return door


@pytest.fixture(scope="class")
def host(door: Door) -> Iterator[SshHost]:
    host = entered(door)
    yield host
    host.close()


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


@pytest.mark.xen
class TestXen(CommandContract, UnitContract, TreeContract):
    """A real Xen host, with systemd and git."""

    cut_after = timedelta(seconds=15)

    def test_xl_and_libvirt_agree_that_it_is_xen(self, host: SshHost) -> None:
        facts = prove_host(host)
        assert facts.libvirt_type == "Xen"
        assert facts.libvirt_uri == "xen:///system"
        assert facts.xen_version.startswith("4.17")
        assert any(capability.startswith("xen-3.0") for capability in facts.xen_capabilities)

    def test_dom0_is_seen_through_libvirt(self, host: SshHost) -> None:
        assert [domain.name for domain in domains(host)][:1] == ["Domain-0"]

    def test_a_unit_goes_on_while_nobody_is_connected(self, host: SshHost, door: Door, place: str) -> None:
        name = f"xenci-contract-{uuid.uuid4().hex}"
        command = f"until [ -e {place}/go ]; do sleep 0.2; done; echo went on"
        unit = Unit(
            name=name, command=command, stdout=f"{place}/out", stderr=f"{place}/err", limit=timedelta(minutes=5)
        )
        assert host.start_unit(unit)
        host.close()
        again = entered(door)
        try:
            assert again.look(name, {}).state is UnitState.RUNNING
            assert again.start_unit(unit) is False
            again.write(f"{place}/go", b"")
            while (look := again.look(name, {f"{place}/out": 0})).state is UnitState.RUNNING:
                pass
            assert (look.exit_code, look.files[f"{place}/out"].data) == (0, b"went on\n")
        finally:
            again.close()

    def test_logs_of_xen_and_libvirt_are_gathered(self, host: SshHost, place: str) -> None:
        names = set(gathered(host, place, max_file=1 << 20, sources={}))
        assert {"xen/xl-info.txt", "xen/xl-dmesg.txt", "xen/xl-list.txt", "xen/xenstore.txt"} <= names
        assert {"libvirt/capabilities.xml", "versions/packages.txt", "conf/nova.conf", "conf/tempest.conf"} <= names
        assert b"password = ***" in host.read(f"{place}/logs/conf/nova.conf", limit=1 << 20)


class TestStandinIsNoXen:
    def test_a_machine_without_xen_does_not_pass_for_one(self, host: SshHost) -> None:
        with pytest.raises(CommandFailed, match="Xen does not answer"):
            prove_host(host)
