"""The libvirt driver keeps the provider's contract on a real libvirtd, with guests that QEMU emulates."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import libvirt
import pytest

from tests.contracts.libvirt_contract import POOL, LibvirtContract, abandon
from tests.contracts.libvirt_contract import Machine as Cloud
from tests.contracts.test_provider_libvirt import WhereSomeFail, opened, settings
from xenci.config.models import Libvirt as Machine
from xenci.config.models import Provider as ProviderSettings
from xenci.config.models import ProviderLabel, Size
from xenci.lab import images
from xenci.lab.paths import LabPaths
from xenci.model.node import Server

SCRIPTS = Path(__file__).parent / "libvirtd"
#: longest wait for a guest that is emulated on a busy machine; seconds
PATIENCE = 900
NETWORK = """<network><name>lab</name><forward mode='open'/><bridge name='xencibr' stp='off' delay='0'/>
<ip address='10.77.0.1' netmask='255.255.255.0'><dhcp><range start='10.77.0.10' end='10.77.0.90'/></dhcp></ip>
</network>"""


def wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "the machine did not get there"
        time.sleep(0.5)


@pytest.fixture(scope="module")
def daemon() -> Iterator[tuple[Path, int]]:
    """A libvirtd in namespaces of its own: its folder, and the process whose end ends it."""
    paths = LabPaths.of_environment()
    folder = paths.cache / "libvirtd"
    subprocess.run([SCRIPTS / "make", folder, images.ensure(paths, "standin")], check=True)
    # the daemon's socket lies in a path that is short
    run = Path(tempfile.mkdtemp(prefix="xv", dir="/var/tmp"))
    shutil.copytree(folder / "root", run / "root", symlinks=True)
    shutil.copytree(folder / "share", run / "share")
    words = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", SCRIPTS / "up", run]
    process = subprocess.Popen(words, start_new_session=True)
    try:
        wait(lambda: process.poll() is not None or (run / "share" / "libvirt-sock").exists())
        yield run, process.pid
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        shutil.rmtree(run)


@pytest.fixture(scope="module")
def uri(daemon: tuple[Path, int]) -> str:
    """The daemon's address, with a network that leases addresses and a pool with an image."""
    run, _ = daemon
    address = f"qemu+unix:///system?socket={run}/share/libvirt-sock"
    connection = libvirt.open(address)
    connection.networkDefineXML(NETWORK).create()
    target = f"<target><path>{run}/share/pool</path></target>"
    connection.storagePoolDefineXML(f"<pool type='dir'><name>{POOL}</name>{target}</pool>", 0).create(0)
    return address


def machine(uri: str, **more: Any) -> ProviderSettings:
    sizes = (Size(name="small", ram_mb=256, vcpus=1), Size(name="medium", ram_mb=512, vcpus=1))
    labels = (ProviderLabel(name="small", image="mini", flavor="small"),)
    real = Machine(uri=uri, pool=POOL, sizes=sizes, machine="qemu")
    return settings(uri, **({"network": "lab", "libvirt": real, "labels": labels, "api_timeout": "3m"} | more))


@pytest.fixture
def cloud(uri: str, daemon: tuple[Path, int], tmp_path: Path) -> Iterator[Cloud]:
    locked = tmp_path / "locked.xml"
    locked.write_text("<node><auth><user password='other'>somebody</user></auth></node>")
    ours, other = (opened(machine(uri), name, WhereSomeFail) for name in ("contract", "other"))

    at = libvirt.open(uri)

    def set_quota(servers: int) -> None:
        ours._settings = machine(uri, max_servers=servers)

    yield Cloud(
        provider=ours,
        other=other,
        refused=opened(machine(f"test://{locked}"), "refused"),
        silent=opened(machine("qemu+tcp://127.0.0.1:9/system"), "silent"),
        abandon=abandon(at),
        at=at,
        set_quota=set_quota,
        wait=wait,
        image="mini",
    )
    for one in (ours, other):
        for server in one.list():
            one.delete(server.id)
        for left in one.leftovers(set()):
            one.delete_leftover(left)
    assert os.listdir(daemon[0] / "share" / "pool") == ["mini.qcow2"], "disks and consoles go with their nodes"


class TestRealLibvirt(LibvirtContract):
    @pytest.fixture
    def cloud(self, cloud: Cloud) -> Cloud:
        return cloud


def test_a_guest_lets_us_in_with_the_key_that_it_was_created_with(
    cloud: Cloud, daemon: tuple[Path, int], tmp_path: Path
) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    public_key = key.with_suffix(".pub").read_text().strip()
    name = "contract-node-000009"
    cloud.provider.create(name=name, image="mini", flavor="small", public_key=public_key, metadata={"xenci_node": name})

    def node() -> Server:
        (found,) = cloud.listed(name)
        return found

    wait(lambda: node().status == "ACTIVE" and "is ready" in cloud.provider.console(node().id))
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-i", str(key)]
    words = ["nsenter", "-t", str(daemon[1]), "-n", "ssh", *options, f"root@{node().address}", "hostname"]
    assert subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip() == name
