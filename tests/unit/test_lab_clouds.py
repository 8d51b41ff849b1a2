"""The clouds of the lab, as far as they can be judged without running: places, ports, configuration, machines."""

import configparser
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from xenci.lab import clouds, processes
from xenci.lab.clouds import conf, launch, machines, network
from xenci.lab.clouds.layout import Cloud
from xenci.lab.paths import LabPaths


@pytest.fixture
def paths(tmp_path: Path) -> LabPaths:
    return LabPaths(state=tmp_path / "state", cache=tmp_path / "cache", port=23000)


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """Stand for the paste files that the packages ship."""
    for name in ("glance/glance-api-paste.ini", "neutron/api-paste.ini", "nova/api-paste.ini"):
        (tmp_path / "etc" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "etc" / name).write_text("[composite:main]\n")
    return tmp_path / "etc"


def limits(paths: LabPaths, **changes: object) -> conf.Limits:
    values = {"driver": "xenmachine", "servers": 4, "quota": 30, "images": paths.images} | changes
    return conf.Limits(**values)  # type: ignore[arg-type]


def settings(cloud: Cloud, file: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=True)
    parser.read_string((cloud.folder / file).read_text())
    return parser


def test_every_port_and_subnet_follows_the_labs_first_port(paths: LabPaths, etc: Path) -> None:
    assert clouds.ports(paths) == [23300, 23301, 23302, 23303, 23304, 23400, 23401, 23402, 23403, 23404]
    for name, net in (("ca", "127.233"), ("cb", "127.234")):
        cloud = Cloud.of(paths, name)
        assert f"{cloud.net}.0.0/24" == paths.subnet(name)
        assert cloud.net == net
        conf.write(cloud, etc, limits(paths))
        written = "".join(path.read_text() for path in cloud.folder.rglob("*.conf"))
        assert "15" + str(cloud.port)[2:] not in written
        assert str(cloud.port) in written


def test_two_clouds_share_no_database_and_no_folder(paths: LabPaths, etc: Path) -> None:
    urls = {}
    for name in ("ca", "cb"):
        cloud = Cloud.of(paths, name)
        conf.write(cloud, etc, limits(paths))
        nova = settings(cloud, "nova/nova.conf")
        urls[name] = {nova["database"]["connection"], nova["api_database"]["connection"]}
        assert nova["xenmachine"]["machines_path"].startswith(str(cloud.folder))
    assert not urls["ca"] & urls["cb"]


def test_what_the_person_chose_reaches_nova(paths: LabPaths, etc: Path) -> None:
    cloud = Cloud.of(paths, "ca")
    conf.write(cloud, etc, limits(paths, servers=7, quota=3, driver="fake", forwards="23022:22"))
    nova = settings(cloud, "nova/nova.conf")
    assert nova["xenmachine"]["servers"] == "7"
    assert nova["xenmachine"]["forwarded_ports"] == "23022:22"
    assert nova["quota"]["instances"] == "3"
    assert nova["DEFAULT"]["compute_driver"] == "labfake.LabFakeDriver"
    assert (nova["DEFAULT"]["host"], nova["lab"]["more_hosts"]) == ("node1", "node2")


def test_files_with_passwords_are_for_their_owner_only(paths: LabPaths, etc: Path) -> None:
    cloud = Cloud.of(paths, "ca")
    conf.write(cloud, etc, limits(paths))
    conf.write(cloud, etc, limits(paths))
    files = [*cloud.folder.rglob("*.conf"), cloud.clouds_yaml]
    assert len(files) == 6
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_clouds_yaml_has_an_administrator_and_a_tenant(paths: LabPaths, etc: Path) -> None:
    cloud = Cloud.of(paths, "cb")
    conf.write(cloud, etc, limits(paths))
    entries = yaml.safe_load(cloud.clouds_yaml.read_text())["clouds"]
    assert {name: entry["auth"]["username"] for name, entry in entries.items()} == {"cb": "admin", "cb-demo": "demo"}
    assert {entry["auth"]["auth_url"] for entry in entries.values()} == {"http://127.0.0.1:23400/v3"}


def test_a_foreign_listener_is_refused_with_its_port_and_a_remedy(paths: LabPaths) -> None:
    first = _free_block()
    with socket.create_server(("127.0.0.1", first + 2)) as other:
        port = other.getsockname()[1]
        cloud = Cloud(name="ca", folder=paths.state, port=first, socket_dir=paths.state, net="127.233")
        with pytest.raises(launch.PortBusy, match=rf"port {port}, wanted by cloud ca.*XENCI_LAB_PORT"):
            launch.refuse_busy_ports(paths, [cloud])


def test_our_own_listener_is_no_foreign_one(paths: LabPaths) -> None:
    first = _free_block()
    serve = (
        f"import socket, time; s = socket.create_server(('127.0.0.1', {first + 2}));"
        "print(s.getsockname()[1], flush=True); time.sleep(600)"
    )
    process = processes.start(paths.run, "ca-glance", [sys.executable, "-c", serve], log=paths.log / "x.log")
    try:
        while not process.log.read_text().endswith("\n"):
            os.sched_yield()
        cloud = Cloud(name="ca", folder=paths.state, port=first, socket_dir=paths.state, net="127.233")
        launch.refuse_busy_ports(paths, [cloud])
    finally:
        processes.end(paths.run, "ca-glance")


def test_ssh_moves_to_another_port_when_22_is_taken_on_all_addresses() -> None:
    with socket.socket() as everywhere, socket.socket() as free:
        everywhere.bind(("0.0.0.0", 0))
        everywhere.listen()
        free.bind(("127.0.0.1", 0))
        taken, other = everywhere.getsockname()[1], free.getsockname()[1]
        assert network.free_port([taken, other], ["127.233.255.254"]) == other
        with pytest.raises(network.AddressesNotUsable, match=r"taken on all addresses.*ListenAddress"):
            network.free_port([taken], ["127.233.255.254"])


def test_a_listener_on_one_address_is_not_in_the_way_of_the_servers() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        assert network.free_port([one.getsockname()[1]], ["127.233.255.254"]) == one.getsockname()[1]


def test_the_tenants_key_is_made_once_and_private(paths: LabPaths) -> None:
    public = network.tenant_key(paths)
    before = public.read_text()
    assert before.startswith("ssh-ed25519 ")
    assert stat.S_IMODE(public.with_suffix("").stat().st_mode) == 0o600
    assert network.tenant_key(paths).read_text() == before


def golden(paths: LabPaths, name: str, *files: str) -> None:
    (paths.images / name).mkdir(parents=True)
    for file in files:
        (paths.images / name / file).write_text("{}")


def test_only_whole_golden_folders_become_images(paths: LabPaths) -> None:
    golden(paths, "standin", "machine.json", "complete")
    golden(paths, "half-made", "machine.json")
    golden(paths, ".standin.old", "machine.json", "complete")
    golden(paths, "no-machine", "complete")
    assert clouds.golden_images(paths) == ["standin"]


def test_no_golden_folder_at_all_is_no_error(paths: LabPaths) -> None:
    assert clouds.golden_images(paths) == []


@pytest.fixture
def machine(paths: LabPaths):
    """Run a process that looks like a server's QEMU to the kernel."""
    folder = Cloud.of(paths, "ca").machines / "0b5e7a52-aaaa-bbbb-cccc-0123456789ab"
    folder.mkdir(parents=True)
    (folder / "machine.json").write_text('{"addresses": ["127.233.0.7"]}')
    (folder / "disk.qcow2").write_text("")
    words = ["qemu-system-x86_64", "-c", "import time; time.sleep(600)", "-pidfile", str(folder / "pid")]
    process = subprocess.Popen(words, executable=sys.executable)
    while not Path(f"/proc/{process.pid}/cmdline").read_bytes():
        # the kernel shows its words a moment after the program was loaded
        os.sched_yield()
    yield process
    process.kill()
    process.wait()


def test_a_machine_is_found_without_any_list_of_ours(paths: LabPaths, machine: subprocess.Popen[bytes]) -> None:
    (found,) = clouds.running_machines(paths)
    assert (found.cloud, found.server, found.pid) == ("ca", "0b5e7a52-aaaa-bbbb-cccc-0123456789ab", machine.pid)
    assert found.addresses == ("127.233.0.7",)
    assert found.memory_mb > 0


def test_stopping_the_clouds_ends_machines_that_nobody_remembers(
    paths: LabPaths, machine: subprocess.Popen[bytes]
) -> None:
    clouds.stop(paths)
    assert machine.wait(5) == -15
    assert clouds.running_machines(paths) == []
    assert machines.folders(Cloud.of(paths, "ca")) == ["0b5e7a52-aaaa-bbbb-cccc-0123456789ab"]


def test_another_labs_machine_is_left_alone(paths: LabPaths, machine: subprocess.Popen[bytes], tmp_path: Path) -> None:
    other = LabPaths(state=tmp_path / "other", cache=paths.cache, port=24000)
    clouds.stop(other)
    assert machine.poll() is None


def test_stopping_what_never_ran_is_harmless(paths: LabPaths) -> None:
    clouds.stop(paths)


def _free_block() -> int:
    """Return the first of the ports that a cloud wants, all free, and not what another process of the tests tries."""
    first = 21000 + os.getpid() % 1000 * 10
    while any(launch.listens(first + offset) for offset in range(10)):
        first += 10_000
    return first
