"""The libvirt driver keeps the provider's contract on libvirt's own test driver, which keeps domains and pools."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import libvirt
import pytest

from tests.contracts.fake_cloud import HOST_KEY
from tests.contracts.libvirt_contract import POOL, LibvirtContract, abandon
from tests.contracts.libvirt_contract import Machine as Cloud
from tests.contracts.provider_contract import BROKEN, PUBLIC_KEY
from xenci.config.models import Libvirt as Machine
from xenci.config.models import Provider as ProviderSettings
from xenci.config.models import ProviderLabel, Size
from xenci.errors import Permanent
from xenci.model import node as model
from xenci.model.node import Server
from xenci.providers import libvirt as driver
from xenci.providers import libvirt_xml as xml
from xenci.providers.calls import Call, Calls
from xenci.providers.libvirt_connection import Connection
from xenci.providers.port import ApiDown, NoCapacity, ServerMissing, WrongSetup
from xenci.providers.registry import open_provider

URI = "test:///default"


class WhereSomeFail(driver.Libvirt):
    """The test driver starts everything; here what the metadata ask for cannot be started."""

    def _start(self, domain: Any) -> None:
        own = xml.owned(domain.XMLDesc(0))
        assert own is not None
        if "lab_fault" in own.metadata:
            raise libvirt.libvirtError(f"cannot {own.metadata['lab_fault']} the emulator <&>")
        super()._start(domain)


def opened(given: ProviderSettings, system: str, kind: type[driver.Libvirt] = driver.Libvirt) -> driver.Libvirt:
    return kind(given, system=system, calls=Calls())


def settings(uri: str = URI, **more: Any) -> ProviderSettings:
    sizes = (
        Size(name="huge", ram_mb=4096, vcpus=4, disk_gb=2),
        Size(name="small", ram_mb=256, vcpus=1),
        Size(name="medium", ram_mb=512, vcpus=1),
    )
    values: dict[str, Any] = {
        "name": "here",
        "driver": "libvirt",
        "failure_domain": "here",
        "network": "default",
        "max_servers": 4,
        "labels": (ProviderLabel(name="small", image="standin", flavor="small"),),
        "libvirt": Machine(uri=uri, pool=POOL, sizes=sizes, machine="test"),
        "api_timeout": "10s",
    }
    return ProviderSettings.model_validate(values | more)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Any]:
    """libvirt's test driver with a pool that has an image; a domain of somebody else is always there."""
    connection = libvirt.open(URI)
    described = f"<pool type='dir'><name>{POOL}</name><target><path>{tmp_path}</path></target></pool>"
    pool = connection.storagePoolDefineXML(described, 0)
    pool.create(0)
    target = "<target><format type='qcow2'/></target>"
    pool.createXML(f"<volume><name>standin.qcow2</name><capacity>1000000</capacity>{target}</volume>", 0)
    yield connection
    for domain in connection.listAllDomains():
        if domain.name() != "test":
            if domain.isActive():
                domain.destroy()
            domain.undefine()
    pool.destroy()
    pool.undefine()


@pytest.fixture
def cloud(host: Any, tmp_path: Path) -> Cloud:
    locked = tmp_path / "locked.xml"
    locked.write_text("<node><auth><user password='other'>somebody</user></auth></node>")
    ours = opened(settings(), "contract", WhereSomeFail)

    def set_quota(servers: int) -> None:
        ours._settings = settings(max_servers=servers)

    def wait(condition: Callable[[], bool]) -> None:
        for domain in host.listAllDomains():
            if domain.isActive():
                # what an image does when it has booted
                (tmp_path / f"{domain.name()}.console").write_text(f"booting\n{HOST_KEY} root@node\n")
        assert condition()

    return Cloud(
        provider=ours,
        other=opened(settings(), "other", WhereSomeFail),
        refused=opened(settings(f"test://{locked}"), "refused"),
        silent=opened(settings("qemu+tcp://127.0.0.1:9/system"), "silent"),
        abandon=abandon(host),
        at=host,
        copying="active",
        set_quota=set_quota,
        wait=wait,
    )


def volumes(host: Any) -> set[str]:
    return {volume.name() for volume in host.storagePoolLookupByName(POOL).listAllVolumes()}


def make(cloud: Cloud, **more: Any) -> Server:
    return cloud.create("contract-node-000001", **more)


class TestLibvirt(LibvirtContract):
    @pytest.fixture
    def cloud(self, cloud: Cloud) -> Cloud:
        return cloud


def test_the_registry_knows_the_driver(host: Any) -> None:
    assert open_provider(settings(), system="contract").list() == []


def test_a_domain_of_somebody_else_is_never_seen_nor_deleted(cloud: Cloud, host: Any) -> None:
    foreign = host.lookupByName("test")
    cloud.provider.delete(foreign.UUIDString())
    assert foreign.isActive()
    theirs = cloud.create("contract-node-000001", by=cloud.other)
    cloud.provider.delete(theirs.id)
    assert [one.id for one in cloud.other.list()] == [theirs.id]


def test_a_disk_is_an_overlay_of_the_image_and_goes_with_the_node(cloud: Cloud, host: Any) -> None:
    made = make(cloud, flavor="small")
    (disk,) = volumes(host) - {"standin.qcow2"}
    described = host.storagePoolLookupByName(POOL).storageVolLookupByName(disk).XMLDesc(0)
    assert "standin.qcow2" in described
    cloud.provider.delete(made.id)
    assert volumes(host) == {"standin.qcow2"}


def test_a_node_has_the_public_key_and_the_size_that_were_asked_for(cloud: Cloud, host: Any) -> None:
    made = make(cloud)
    told = host.lookupByUUIDString(made.id).XMLDesc(0)
    assert f"<entry name='{xml.KEY_FILE}'>{PUBLIC_KEY}</entry>" in told
    assert (xml.memory_mb(told), xml.vcpus(told)) == (256, 1)
    by_size = cloud.create("contract-node-000002", flavor=model.Size(ram_gb=0.4, vcpus=1))
    assert xml.memory_mb(host.lookupByUUIDString(by_size.id).XMLDesc(0)) == 512


def test_a_create_that_died_before_the_start_is_gone_on_with(
    cloud: Cloud, host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(WhereSomeFail, "_start", lambda *_: None)
        made = make(cloud)
    assert [(one.id, one.status) for one in cloud.provider.list()] == [(made.id, "BUILD")]
    assert make(cloud).id == made.id
    assert [(one.id, one.status) for one in cloud.provider.list()] == [(made.id, "ACTIVE")]


def test_a_fault_keeps_its_words_and_a_failed_node_is_deleted_with_its_disk(cloud: Cloud, host: Any) -> None:
    made = make(cloud, extra=BROKEN)
    assert (made.status, make(cloud, extra=BROKEN).id) == ("ERROR", made.id)
    assert "cannot spawn the emulator <&>" in cloud.provider.list()[0].fault
    cloud.provider.delete(made.id)
    assert cloud.provider.list() == []
    assert volumes(host) == {"standin.qcow2"}


def test_a_node_that_was_shut_down_behind_our_back_is_off_and_one_that_crashed_is_in_error(
    cloud: Cloud, host: Any, tmp_path: Path
) -> None:
    made = make(cloud)
    host.lookupByUUIDString(made.id).shutdown()
    assert cloud.provider.list()[0].status == "SHUTOFF"
    other = cloud.create("contract-node-000002")
    host.lookupByUUIDString(other.id).coreDump(str(tmp_path / "core"), libvirt.VIR_DUMP_CRASH)
    assert {one.id: one.status for one in cloud.provider.list()}[other.id] == "ERROR"
    host.lookupByUUIDString(made.id).undefine()
    assert [one.id for one in cloud.provider.list()] == [other.id]


def test_an_arp_table_that_cannot_be_read_is_no_address_yet(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    def interface_addresses(_domain: Any, source: int) -> dict[str, Any]:
        if source == libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP:
            # what libvirt 9 says of an empty one
            raise libvirt.libvirtError("internal error: wrong nlmsg len")
        return {}

    monkeypatch.setattr(libvirt.virDomain, "interfaceAddresses", interface_addresses)
    made = make(cloud)
    assert [(one.id, one.status, one.address) for one in cloud.provider.list()] == [(made.id, "BUILD", None)]


def test_more_memory_than_the_machine_has_is_no_capacity(cloud: Cloud, host: Any) -> None:
    with pytest.raises(NoCapacity):
        make(cloud, flavor="huge")
    assert cloud.provider.list() == []


def test_everything_that_the_configuration_names_and_is_not_there_is_told_at_once(host: Any) -> None:
    labels = (ProviderLabel(name="small", image="standing", flavor="smal"),)
    wrong = opened(settings(network="defaultt", labels=labels), "contract")
    with pytest.raises(WrongSetup) as caught:
        wrong.check()
    for name in ("'standin'", "'small'", "'default'"):
        assert f"did you mean {name}" in caught.value.sentence


def test_no_pool_and_no_domain_are_told(cloud: Cloud, host: Any) -> None:
    machine = settings().libvirt
    assert machine is not None
    lost = opened(settings(libvirt=machine.model_copy(update={"pool": "xenci"})), "contract")
    with pytest.raises(Permanent, match="no storage pool of this name"):
        lost.check()
    for server in ("00000000-f6a4-8304-79aa-97f2502e193f", host.lookupByName("test").UUIDString()):
        with pytest.raises(ServerMissing):
            cloud.provider.console(server)


def test_the_same_node_asked_for_by_many_at_once_is_one_domain(cloud: Cloud, host: Any) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: make(cloud), range(8)))
    assert len({server.id for server in made}) == 1
    assert {server.status for server in cloud.provider.list()} == {"ACTIVE"}
    assert len(volumes(host)) == 2


def test_a_domain_that_another_step_defined_a_moment_before_is_the_node(cloud: Cloud) -> None:
    made = make(cloud)
    assert make(cloud, is_first=True).id == made.id
    assert len(cloud.provider.list()) == 1


def test_a_call_that_hangs_ends_and_the_next_one_has_a_connection_of_its_own(
    cloud: Cloud, host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = threading.Event()
    slow = Connection(settings(api_timeout="0.05s"), URI, Calls())
    with monkeypatch.context() as patch:
        patch.setattr(slow, "open", lambda: hangs.wait(30))
        with pytest.raises(ApiDown, match=r"no answer within 0.05 s"):
            slow.call("list", "domains", lambda _: [])
    hangs.set()
    slow._settings = settings()
    assert "test" in slow.call("list", "domains", lambda at: [one.name() for one in at.listAllDomains()])


def test_a_machine_needs_its_key_and_a_cloud_its_name() -> None:
    for raw in ({"libvirt": None}, {"driver": "openstack"}, {"driver": "openstack", "libvirt": None}):
        with pytest.raises(ValueError, match=r"cloud is missing|go together"):
            settings(**raw)


def test_each_call_of_the_port_is_counted_once(cloud: Cloud) -> None:
    calls = Calls()
    counted = open_provider(settings(), system="contract", calls=calls)
    counted.list()
    counted.list()
    assert calls.take() == {Call("here", "list", "libvirt"): 2}


@pytest.mark.parametrize("key", ["availability_zones", "security_groups", "more_networks"])
def test_what_only_a_cloud_has_is_refused_in_the_configuration(key: str) -> None:
    with pytest.raises(ValueError, match=f"{key}: a provider of the driver libvirt has no such thing"):
        settings(**{key: ("one",)})
