"""The golden image of a Xen host, for real: asked for all that a build relies on."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.machines import Reached, door_on_this_host, restored
from xenci.lab import images
from xenci.lab.images.recipe import REPOSITORY
from xenci.lab.paths import LabPaths

PIT = """<domain type='xen'><name>pit</name><memory>65536</memory>
<os><type>linux</type><kernel>/opt/cloud/guest/vmlinux</kernel></os>
<clock offset='utc'><timer name='pit' tickpolicy='delay'/></clock></domain>"""


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


def test_the_node_is_a_xen_host_by_xl_and_by_libvirt(node: Reached) -> None:
    assert "xen_version            : 4.17" in node.told("xl info")
    assert "Domain-0" in node.told("virsh -q -c xen:///system list --all")
    assert node.told("hostname") == "node"


def test_both_users_get_in_with_the_tenants_key_and_may_do_all(node: Reached) -> None:
    assert node.told("sudo -n id -un", user="zuul") == "root"
    assert "Domain-0" in node.told("virsh -q -c xen:///system list --all", user="zuul")


def test_the_node_reaches_nothing_on_this_host(node: Reached) -> None:
    with door_on_this_host() as port:
        for door in (f"10.0.2.2/{port}", "10.0.2.3/53"):
            answer = node.run(f"timeout 10 bash -c 'exec 3<>/dev/tcp/{door} && echo there; timeout 5 head -c 4 <&3'")
            assert answer.stdout == "", door


def test_what_libxl_refuses_is_found_in_libvirts_own_log(node: Reached) -> None:
    refused = node.run(f'echo "{PIT}" > /run/pit.xml; virsh -q -c xen:///system create /run/pit.xml')
    assert "unsupported timer type (name) 'pit'" in refused.stderr
    log = node.told("cat /var/log/libvirt/libvirtd.log")
    assert "unsupported timer type (name) 'pit'" in log


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


def test_a_commit_that_was_never_pushed_is_refused(node: Reached) -> None:
    refused = node.run(f"nova-renew {'0' * 39}1 60")
    assert refused.returncode == 2
    assert "git" in refused.stderr
