"""The golden images, for real: machines restored from them outside any cloud, asked for all that a build relies on."""

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from xenci.lab import images
from xenci.lab.images.machine import Machine, remove, restore
from xenci.lab.images.recipe import REPOSITORY
from xenci.lab.paths import LabPaths

PIT = """<domain type='xen'><name>pit</name><memory>65536</memory>
<os><type>linux</type><kernel>/opt/cloud/guest/vmlinux</kernel></os>
<clock offset='utc'><timer name='pit' tickpolicy='delay'/></clock></domain>"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A restored machine that answers on its SSH port."""

    machine: Machine
    port: int
    key: Path

    @property
    def options(self) -> list[str]:
        """What ssh needs to get in, the host name apart: one connection for all, as a new one is dear when emulated."""
        quiet = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR")
        one = ("ControlMaster=auto", f"ControlPath={self.machine.folder}/%r", "ControlPersist=yes", "ConnectTimeout=60")
        pairs = [part for option in (*quiet, *one) for part in ("-o", option)]
        return ["-i", str(self.key), "-p", str(self.port), *pairs]

    def run(self, command: str, *, user: str = "root") -> "subprocess.CompletedProcess[str]":
        """Run a shell command in the machine."""
        return subprocess.run(
            ["ssh", *self.options, f"{user}@127.0.0.1", command],
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
            stdin=subprocess.DEVNULL,
        )

    def told(self, command: str, *, user: str = "root") -> str:
        """Return what a command prints, which must not fail."""
        done = self.run(command, user=user)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@contextmanager
def restored(image: str, folder: Path) -> Iterator[Reached]:
    """Restore a machine in a new folder, wait until SSH answers, and end it afterwards."""
    golden = images.ensure(LabPaths.of_environment(), image)
    key = folder.with_name(f"{folder.name}.key")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    with socket.create_server(("127.0.0.1", 0)) as chosen:
        port = int(chosen.getsockname()[1])
    try:
        machine = restore(golden, folder, ssh_port=port, public_key=key.with_suffix(".key.pub").read_text())
        reached = Reached(machine=machine, port=port, key=key)
        limit = time.monotonic() + 300
        while (first := reached.run("true")).returncode:
            assert time.monotonic() < limit, first.stderr
            time.sleep(0.5)
        yield reached
    finally:
        remove(folder)


@contextmanager
def door_on_this_host() -> Iterator[int]:
    """Listen on this host's loopback, at a port that is tried from here first: it says OPEN to whoever comes."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def welcome() -> None:
            while True:
                try:
                    guest, _ = door.accept()
                except OSError:
                    return
                with guest:
                    guest.sendall(b"OPEN")

        threading.Thread(target=welcome, daemon=True).start()
        port = int(door.getsockname()[1])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as tried:
            assert tried.recv(4) == b"OPEN"
        yield port


@pytest.mark.lab
def test_a_stand_in_restored_from_its_image_is_a_machine_of_its_own(tmp_path: Path) -> None:
    with restored("standin", tmp_path / "one") as one, restored("standin", tmp_path / "two") as two:
        assert one.told("hostname") == "one"
        assert two.told("hostname") == "two"
        keys = [each.machine.console.read_text().split("ssh-ed25519 ")[1].split()[0] for each in (one, two)]
        assert keys[0] != keys[1]
        with door_on_this_host() as port:
            assert "OPEN" not in one.run(f"timeout 10 nc 10.0.2.2 {port} < /dev/null").stdout
        machines = (one.machine, two.machine)
        assert all(machine.lives for machine in machines)
    assert not any(machine.lives for machine in machines)


@pytest.mark.lab
def test_the_images_in_the_cache_are_read_to_the_last_byte_and_good() -> None:
    paths = LabPaths.of_environment()
    images.ensure(paths, "standin")
    assert images.check(paths, "standin", thorough=True) == []
    assert images.sizes(paths)["standin"] > 10_000_000


@pytest.mark.lab
def test_a_damaged_image_is_noticed_and_made_anew_without_the_network(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    real = LabPaths.of_environment()
    images.ensure(real, "standin")
    # a short one, as sockets lie deep below it
    place = tmp_path_factory.mktemp("c")
    copy = LabPaths(state=place / "state", cache=place / "cache", port=real.port)
    for folder in ("images/standin", "build/standin"):
        shutil.copytree(real.cache / folder, copy.cache / folder)
    assert images.ensure(copy, "standin") == copy.images / "standin"
    os.truncate(copy.images / "standin" / "memory.zst", 1000)
    images.ensure(copy, "standin")
    told = capsys.readouterr().err
    assert "damaged: memory.zst has 1000 bytes instead of" in told
    assert "begins with the tree kept from an earlier build" in told
    assert "10-packages" not in told
    assert images.check(copy, "standin", thorough=True) == []


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reached]:
    with restored("xen-dom0-bookworm", tmp_path_factory.mktemp("xen") / "node") as reached:
        yield reached


def push(node: Reached, folder: Path, *, break_it: bool) -> str:
    """Push branch tip + carry, with or without a change that does not compile, and return the commit."""
    repository = images.repository(LabPaths.of_environment(), images.NOVA)
    git = ["git", "-C", str(folder), "-c", "user.name=developer", "-c", "user.email=developer@lab.invalid"]
    subprocess.run(["git", "clone", "-q", "--shared", str(repository), str(folder)], check=True)
    if break_it:
        with (folder / "nova/virt/libvirt/utils.py").open("a") as source:
            source.write("def unfinished(\n")
        subprocess.run([*git, "commit", "-qam", "libvirt: Leave something unfinished"], check=True)
    carry = sorted(str(patch) for patch in (REPOSITORY / "configs/carry/nova-2025.1").glob("000[1-4]*.patch"))
    subprocess.run([*git, "am", "-q", "-3", *carry], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    ssh = ["-c", f"core.sshCommand=ssh {' '.join(node.options)}"]
    target = "ssh://root@127.0.0.1/opt/stack/nova"
    subprocess.run(["git", *ssh, "-C", str(folder), "push", "-q", target, f"+{commit}:refs/ci/test"], check=True)
    return commit


def proof_of(node: Reached) -> dict[str, Any]:
    proof = json.loads(node.told("cat /run/nova.proof"))
    assert isinstance(proof, dict)
    return proof


@pytest.mark.xen
def test_the_node_is_a_xen_host_by_xl_and_by_libvirt(node: Reached) -> None:
    assert "xen_version            : 4.17" in node.told("xl info")
    assert "Domain-0" in node.told("virsh -q -c xen:///system list --all")
    assert node.told("hostname") == "node"


@pytest.mark.xen
def test_both_users_get_in_with_the_tenants_key_and_may_do_all(node: Reached) -> None:
    assert node.told("sudo -n id -un", user="zuul") == "root"
    assert "Domain-0" in node.told("virsh -q -c xen:///system list --all", user="zuul")


@pytest.mark.xen
def test_the_node_reaches_nothing_on_this_host(node: Reached) -> None:
    with door_on_this_host() as port:
        for door in (f"10.0.2.2/{port}", "10.0.2.3/53"):
            answer = node.run(f"timeout 10 bash -c 'exec 3<>/dev/tcp/{door} && echo there; timeout 5 head -c 4 <&3'")
            assert answer.stdout == "", door


@pytest.mark.xen
def test_what_libxl_refuses_is_found_in_libvirts_own_log(node: Reached) -> None:
    refused = node.run(f'echo "{PIT}" > /run/pit.xml; virsh -q -c xen:///system create /run/pit.xml')
    assert "unsupported timer type (name) 'pit'" in refused.stderr
    log = node.told("cat /var/log/libvirt/libvirtd.log")
    assert "unsupported timer type (name) 'pit'" in log


@pytest.mark.xen
def test_a_change_that_does_not_compile_is_told_and_the_next_tree_runs(node: Reached, tmp_path: Path) -> None:
    broken = push(node, tmp_path / "broken", break_it=True)
    failed = node.run(f"nova-renew {broken} 300")
    assert failed.returncode == 1
    assert "nova/virt/libvirt/utils.py" in failed.stderr
    assert "SyntaxError" in failed.stderr
    assert node.run("test -e /run/nova.proof").returncode == 1
    tip = push(node, tmp_path / "tip", break_it=False)
    assert node.run(f"nova-renew {tip} 600").returncode == 0
    proof = proof_of(node)
    assert (proof["commit"], proof["as_asked"], proof["from_elsewhere"]) == (tip, True, [])
    assert proof["nova_file"] == "/opt/stack/nova/nova/__init__.py"
    assert proof["checked_out_at"] <= proof["began_at"] <= proof["ready_at"]
    assert proof["log_sizes"]["/opt/cloud/log/nova.log"] < int(node.told("stat -c %s /opt/cloud/log/nova.log"))


@pytest.mark.xen
def test_a_nova_from_elsewhere_than_the_tree_is_told_by_the_proof(node: Reached) -> None:
    node.told("lab-wrong-tree on")
    try:
        renewed = node.run("nova-renew HEAD 600")
        proof = proof_of(node)
    finally:
        node.told("lab-wrong-tree off")
    assert renewed.returncode == 3
    assert not proof["as_asked"]
    assert "/site-packages/nova/" in proof["nova_file"]
    assert len(proof["from_elsewhere"]) > 100


@pytest.mark.xen
def test_a_commit_that_was_never_pushed_is_refused(node: Reached) -> None:
    refused = node.run(f"nova-renew {'0' * 39}1 60")
    assert refused.returncode == 2
    assert "git" in refused.stderr
