"""The contract of a Host, kept by a real Xen host."""

import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.contracts.host_contract import CommandContract, TreeContract, UnitContract, gathered
from tests.lab.doors import entered, restored
from xenci.host.connection import SshHost
from xenci.host.door import Door
from xenci.host.port import Unit, UnitState
from xenci.host.xen import domains, prove_host


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with restored("xen-dom0-bookworm", tmp_path_factory.mktemp("xen")) as door:
        yield door


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
