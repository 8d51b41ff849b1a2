"""What the libvirt driver keeps besides the provider's contract, on libvirt's test driver and on a real libvirtd."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.contracts.provider_contract import Cloud, ProviderContract, held
from xenci.errors import Temporary
from xenci.model.leftover import Kind
from xenci.providers.port import ServerMissing, WrongSetup

POOL = "xenci-contract"
#: looks like a file of ours, and has another seal
ALIKE = "contract-node-000001.0123456789ab-0123456789ab.qcow2"


@dataclass(kw_only=True)
class Machine(Cloud):
    """A machine with libvirt."""

    #: libvirt itself
    at: Any
    zone: str = ""
    #: what an image is when it was asked for: the test driver has no jobs, and copies at once
    copying: str = "saving"

    @property
    def pool(self) -> Any:
        return self.at.storagePoolLookupByName(POOL)

    def files(self) -> set[str]:
        self.pool.refresh(0)
        return {volume.name() for volume in self.pool.listAllVolumes()}

    def disk(self, server_id: str) -> str:
        return f"{self.at.lookupByUUIDString(server_id).name()}.qcow2"


def abandon(at: Any) -> Callable[[str], None]:
    """Return what takes a domain away as a person would who forgets its files."""

    def take(server_id: str) -> None:
        domain = at.lookupByUUIDString(server_id)
        if domain.isActive():
            domain.destroy()
        domain.undefine()

    return take


def put_disk(cloud: Machine, name: str, begins_as: str = "") -> None:
    """Make a disk as a person would, of its own or over another."""
    backing = ""
    if begins_as:
        path = cloud.pool.storageVolLookupByName(begins_as).path()
        backing = f"<backingStore><path>{path}</path><format type='qcow2'/></backingStore>"
    target = "<target><format type='qcow2'/></target>"
    cloud.pool.createXML(f"<volume><name>{name}</name><capacity>1000000</capacity>{target}{backing}</volume>", 0)


class LibvirtContract(ProviderContract):
    def test_what_a_domain_leaves_in_the_pool_is_told_and_can_be_deleted(self, cloud: Machine) -> None:
        made, kept = cloud.create(self.NAMES[0]), cloud.create(self.NAMES[1])
        disk, other = cloud.disk(made.id), cloud.disk(kept.id)
        cloud.abandon(made.id)
        put_disk(cloud, ALIKE)
        try:
            left = {one.id: one.server_id for one in cloud.provider.leftovers(set()) if one.kind is Kind.VOLUME}
            assert (left[disk], left[other]) == (None, kept.id)
            assert ALIKE not in left
            assert held(cloud.other) == set()
            for thing in cloud.provider.leftovers(set()):
                cloud.provider.delete_leftover(thing)
                cloud.provider.delete_leftover(thing)
            assert disk not in cloud.files()
            assert {ALIKE, other} <= cloud.files(), "neither another's file nor that of a domain that is there"
        finally:
            cloud.pool.storageVolLookupByName(ALIKE).delete(0)

    def test_a_disk_that_a_person_goes_on_with_is_left_alone(self, cloud: Machine) -> None:
        made = cloud.create(self.NAMES[0])
        disk = cloud.disk(made.id)
        cloud.abandon(made.id)
        put_disk(cloud, "mine.qcow2", begins_as=disk)
        assert [one.id for one in cloud.provider.leftovers(set()) if one.id == disk] == []
        cloud.pool.storageVolLookupByName("mine.qcow2").delete(0)
        assert (Kind.VOLUME, disk) in held(cloud.provider)
        for thing in cloud.provider.leftovers(set()):
            cloud.provider.delete_leftover(thing)

    def test_an_image_is_a_full_copy_and_no_node_begins_as_one_that_is_not_whole(self, cloud: Machine) -> None:
        made = cloud.create(self.NAMES[0])
        cloud.wait(lambda: cloud.listed(self.NAMES[0])[0].status == "ACTIVE")
        image = cloud.provider.snapshot(made.id, name="contract-snapshot", properties={})
        assert image.status == cloud.copying
        cloud.wait(lambda: [one.status for one in cloud.provider.images()] == ["active"])
        copy = f"{cloud.at.lookupByUUIDString(image.id).name()}.qcow2"
        assert "backingStore" not in cloud.pool.storageVolLookupByName(copy).XMLDesc(0)
        cloud.provider.delete(made.id)
        again = cloud.create(self.NAMES[1], image="contract-snapshot")
        cloud.wait(lambda: cloud.listed(self.NAMES[1])[0].status == "ACTIVE")
        with pytest.raises(Temporary, match="begins as this image"):
            cloud.provider.delete_image(image.id)
        assert [one.id for one in cloud.provider.images()] == [image.id]
        cloud.provider.delete(again.id)
        cloud.provider.delete_leftover(next(one for one in cloud.provider.leftovers(set()) if one.id == image.id))
        assert copy not in cloud.files()
        with pytest.raises(WrongSetup):
            cloud.create(self.NAMES[1], image="contract-snapshot")

    def test_an_image_is_no_server_and_a_server_no_image(self, cloud: Machine) -> None:
        made = cloud.create(self.NAMES[0])
        cloud.wait(lambda: cloud.listed(self.NAMES[0])[0].status == "ACTIVE")
        image = cloud.provider.snapshot(made.id, name="contract-snapshot", properties={})
        assert [one.id for one in cloud.provider.list()] == [made.id]
        cloud.provider.delete_image(made.id)
        cloud.provider.delete(image.id)
        cloud.wait(lambda: [one.id for one in cloud.provider.images()] == [image.id])
        assert [one.id for one in cloud.provider.list()] == [made.id]
        with pytest.raises(ServerMissing):
            cloud.provider.console(image.id)
        cloud.other.delete_image(image.id)
        with pytest.raises(ServerMissing):
            cloud.other.snapshot(made.id, name="theirs", properties={})
        cloud.provider.delete_image(image.id)
        assert not cloud.provider.images()

    def test_a_domain_that_does_not_run_is_not_marked(self, cloud: Machine) -> None:
        made = cloud.create(self.NAMES[0])
        cloud.at.lookupByUUIDString(made.id).destroy()
        with pytest.raises(Temporary, match="cannot be marked now"):
            cloud.provider.mark(made.id, {"xenci_build": "7"})
        assert cloud.listed(self.NAMES[0])[0].metadata == made.metadata

    def test_a_zone_is_refused(self, cloud: Machine) -> None:
        with pytest.raises(WrongSetup, match="has no zones"):
            cloud.create(self.NAMES[0], zone="nova")
