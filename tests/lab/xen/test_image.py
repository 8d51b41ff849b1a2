"""The golden image of a Xen host, asked for what a build relies on; what Nova does there the main job tells."""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator

import pytest

from tests.lab.machines import Reached, door_on_this_host, restored
from xenci.lab.push.kinds import KINDS

PIT = """<domain type='xen'><name>pit</name><memory>65536</memory>
<os><type>linux</type><kernel>/opt/cloud/guest/vmlinux</kernel></os>
<clock offset='utc'><timer name='pit' tickpolicy='delay'/></clock></domain>"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reached]:
    with restored("xen-dom0-bookworm", tmp_path_factory.mktemp("xen") / "node") as reached:
        yield reached


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


def test_tempest_runs_as_a_copy_in_the_unit_that_asked_and_ends_with_it(node: Reached) -> None:
    serving, unit = "tempest_run.py --serve", "/sys/fs/cgroup/system.slice/tempest-long.service/cgroup.procs"
    node.told("LIMIT=600 tempest-job long tempest.api.compute.flavors.test_flavors")
    copy = f"for n in $(cat {unit}); do ps -o pid= -o args= $n; done | grep -- '{serving}'"
    pid = node.told(f"for turn in $(seq 60); do {copy} && exit; sleep 1; done; cat /opt/tempest/long.err").split()[0]
    assert pid != node.told("systemctl show --property=MainPID --value tempest")

    node.told("systemctl stop tempest-long")
    assert node.run(f"[ -e /proc/{pid} ]").returncode
    assert node.told("systemctl is-active tempest") == "active"


def test_where_nothing_serves_tempest_runs_in_a_process_of_its_own_and_tells_the_same(node: Reached) -> None:
    ask = "cd /opt/tempest; set -a; . /opt/cloud/env; set +a; python -IS /opt/cloud/bin/tempest_run.py"
    tests = "--list tempest.api.compute.test_versions | base64"
    warm, cold = node.run(f"{ask} {tests}"), node.run(f"systemctl stop tempest; {ask} {tests}")  # its socket stays
    elsewhere = node.run(f"systemctl start tempest; export PYTHONPATH=/nowhere; {ask} --help")
    assert b"TestVersions.test_list_api_versions" in b64decode(warm.stdout)
    assert (warm.stdout, warm.stderr) == (cold.stdout, cold.stderr.partition("\n")[2])
    assert "in one of their own" in cold.stderr
    assert "in one of their own" in elsewhere.stderr


def test_a_guests_device_whose_bridge_is_not_there_is_told_to_libxl(node: Reached) -> None:
    """The lab's own script for it; what libxl waits for is the word in xenstore."""
    path = "/local/domain/0/backend/vif/99/0"
    node.told(f"xenstore-write {path}/bridge nobridge {path}/vifname tap99")
    refused = node.run(f"XENBUS_PATH={path} vif=vif99.0 /etc/xen/scripts/vif-bridge online type_if=vif")
    assert refused.returncode == 1
    assert node.told(f"xenstore-read {path}/hotplug-status {path}/hotplug-error").split("\n", 1) == [
        "error",
        "tap99 could not be put on nobridge",
    ]
    node.told(f"xenstore-rm {path}")


def test_a_commit_that_was_never_pushed_is_refused(node: Reached) -> None:
    refused = node.run(f"nova-renew {'0' * 39}1 60")
    assert refused.returncode == 2
    assert "git" in refused.stderr


def test_a_commit_that_is_no_python_is_told_as_nova_that_ends_and_the_next_one_starts(node: Reached) -> None:
    """What a build makes of it, a -1 if the tip starts, is tried in flows."""
    tree, kind = "git -C /opt/stack/nova", KINDS["broken"]
    tip = node.told(f"{tree} rev-parse HEAD")
    edited = b64encode(kind.edit(node.told(f"{tree} show HEAD:{kind.file}") + "\n", "aaaaaa").encode()).decode()
    who = "-c user.name=dev -c user.email=dev@example.org"
    commit = f"{tree} {who} commit -q -a -m broken && {tree} rev-parse HEAD && {tree} checkout -q -f {tip}"
    broken = node.told(f"echo {edited} | base64 -d > /opt/stack/nova/{kind.file} && {commit}")

    ended = node.run(f"nova-renew {broken} 900")
    assert ended.returncode == 1, ended.stderr
    assert "SyntaxError" in ended.stderr
    assert json.loads(node.told("cat /run/nova.attempt"))["commit"] == broken
    assert node.run("cat /run/nova.proof").returncode

    proof = json.loads(node.told(f"nova-renew {tip} 900"))
    assert (proof["commit"], proof["as_asked"]) == (tip, True)
    assert proof["nova_file"] == "/opt/stack/nova/nova/__init__.py"
