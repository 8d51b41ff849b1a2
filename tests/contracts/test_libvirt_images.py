"""How the copy of a disk ends, told by libvirt: only what it calls a success is an image that a node may begin as."""

from typing import Any

import libvirt
import pytest

from tests.contracts.libvirt_contract import Machine
from tests.contracts.test_provider_libvirt import cloud, host, make
from xenci.errors import Temporary, XenciError
from xenci.model.leftover import Image
from xenci.providers.port import WrongSetup

__all__ = ["cloud", "host"]
NAME = "contract-snapshot"


class Jobs:
    """The backup job of libvirt's test driver, which has none: it ends when the test says so, with what it says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun: list[str] = []
        self.running = ""
        self.ended: dict[str, Any] = {}
        self.fails_to_begin = False
        monkeypatch.setattr(libvirt.virDomain, "backupBegin", lambda _, told, *__: self._begin(told))
        monkeypatch.setattr(libvirt.virDomain, "backupGetXMLDesc", lambda *_: self._tell())
        monkeypatch.setattr(libvirt.virDomain, "jobStats", lambda *_: self.ended)
        monkeypatch.setattr(libvirt.virDomain, "abortJob", lambda _: self.end(success=False))

    def end(self, *, success: bool) -> None:
        """End the job. What failed is told with another type besides."""
        kind = libvirt.VIR_DOMAIN_JOB_COMPLETED if success else libvirt.VIR_DOMAIN_JOB_FAILED
        self.running = ""
        self.ended = {"type": kind, "operation": libvirt.VIR_DOMAIN_JOB_OPERATION_BACKUP, "success": success}

    def _begin(self, told: str) -> None:
        if self.fails_to_begin:
            raise libvirt.libvirtError("another job runs")
        self.running = told
        self.begun.append(told)

    def _tell(self) -> str:
        if not self.running:
            error = libvirt.libvirtError("no backup")
            error.err = (libvirt.VIR_ERR_NO_DOMAIN_BACKUP, 0, "no backup", 0, "", "", "", 0, 0)
            raise error
        return self.running


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> Jobs:
    return Jobs(monkeypatch)


def ask(cloud: Machine, server_id: str, name: str = NAME) -> Image:
    return cloud.provider.snapshot(server_id, name=name, properties={"try": "1"})


def write(cloud: Machine, image: Image) -> None:
    """Write the file, as the emulator does from the first moment on."""
    name = f"{cloud.at.lookupByUUIDString(image.id).name()}.qcow2"
    target = "<target><format type='qcow2'/></target>"
    cloud.pool.createXML(f"<volume><name>{name}</name><capacity>1000000</capacity>{target}</volume>", 0)


def statuses(cloud: Machine) -> list[str]:
    return [one.status for one in cloud.provider.images()]


def test_an_image_that_is_being_copied_is_asked_for_once_and_no_node_begins_as_it(cloud: Machine, jobs: Jobs) -> None:
    made = make(cloud)
    image = ask(cloud, made.id)
    write(cloud, image)
    assert (image.status, statuses(cloud), ask(cloud, made.id).id) == ("saving", ["saving"], image.id)
    assert len(jobs.begun) == 1
    with pytest.raises(Temporary, match="One image of a server at a time"):
        ask(cloud, made.id, "another")
    with pytest.raises(WrongSetup):
        cloud.create("contract-node-000002", image=NAME)
    jobs.end(success=True)
    assert statuses(cloud) == ["active"]
    assert cloud.create("contract-node-000002", image=NAME).status == "ACTIVE"


def test_a_copy_that_failed_is_killed_and_made_anew_when_it_is_asked_for_again(cloud: Machine, jobs: Jobs) -> None:
    made = make(cloud)
    image = ask(cloud, made.id)
    write(cloud, image)
    jobs.end(success=False)
    assert statuses(cloud) == ["killed"]
    jobs.ended = {"type": libvirt.VIR_DOMAIN_JOB_COMPLETED, "success": True, "operation": 9}
    assert statuses(cloud) == ["killed"], "another copy's success is not its own"
    again = ask(cloud, made.id)
    assert (again.status, len(jobs.begun)) == ("saving", 2)
    assert [one.id for one in cloud.provider.images()] == [again.id]


@pytest.mark.parametrize("ended", [{}, {"type": 3}, {"type": 3, "operation": 1, "success": True}])
def test_a_copy_of_which_libvirt_knows_no_success_is_no_image(
    cloud: Machine, jobs: Jobs, ended: dict[str, Any]
) -> None:
    write(cloud, ask(cloud, make(cloud).id))
    jobs.running, jobs.ended = "", ended
    assert statuses(cloud) == ["killed"]


def test_a_copy_whose_file_is_not_there_or_whose_server_is_gone_is_no_image(cloud: Machine, jobs: Jobs) -> None:
    first = make(cloud)
    image = ask(cloud, first.id)
    jobs.end(success=True)
    assert statuses(cloud) == ["killed"], "no file"
    cloud.provider.delete_image(image.id)
    write(cloud, ask(cloud, first.id))
    cloud.provider.delete(first.id)
    assert statuses(cloud) == ["killed"], "no server"


def test_a_copy_that_does_not_begin_leaves_nothing(cloud: Machine, jobs: Jobs) -> None:
    jobs.fails_to_begin = True
    made = make(cloud)
    with pytest.raises(XenciError, match="another job runs"):
        ask(cloud, made.id)
    assert cloud.provider.images() == []


def test_an_image_that_is_deleted_while_it_is_copied_ends_its_copy(cloud: Machine, jobs: Jobs) -> None:
    image = ask(cloud, make(cloud).id)
    write(cloud, image)
    cloud.provider.delete_image(image.id)
    assert (jobs.running, cloud.provider.images()) == ("", [])


def test_a_server_that_is_off_has_its_disk_copied_by_the_pool(cloud: Machine, jobs: Jobs) -> None:
    made = make(cloud)
    cloud.at.lookupByUUIDString(made.id).destroy()
    assert (ask(cloud, made.id).status, jobs.begun) == ("active", [])


def test_an_image_whose_record_is_gone_is_left_over_when_no_node_begins_as_it_any_more(cloud: Machine) -> None:
    made = make(cloud)
    kept = cloud.at.lookupByUUIDString(ask(cloud, made.id).id)
    file = f"{kept.name()}.qcow2"
    node = cloud.create("contract-node-000002", image=NAME)
    kept.undefine()
    assert cloud.provider.images() == []
    assert file not in {one.id for one in cloud.provider.leftovers(set())}
    cloud.provider.delete(node.id)
    assert file in {one.id for one in cloud.provider.leftovers(set()) if one.server_id is None}
