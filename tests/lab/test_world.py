"""The lab as a whole: what `status` tells, and that `down` ends everything whatever happened to `up`."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import openstack
import pytest

from xenci.lab import checks, listeners, processes, strays
from xenci.lab.paths import CLOUDS, LabPaths

pytestmark = [pytest.mark.lab, pytest.mark.timeout(3600)]

XENCI = Path(sys.executable).with_name("xenci")


def environment(paths: LabPaths) -> dict[str, str]:
    places = {"XENCI_LAB_DIR": str(paths.state), "XENCI_CACHE_DIR": str(paths.cache), "XENCI_LAB_PORT": str(paths.port)}
    return {**os.environ, **places}


def xenci(paths: LabPaths, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([XENCI, *words], env=environment(paths), capture_output=True, text=True, check=False)


def everything_of(paths: LabPaths) -> list[str]:
    """Return every process of the machine whose command or environment names the lab's folder, but our own line."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) not in (os.getpid(), os.getppid()):
            try:
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if f"{paths.state}/" in command:
                found.append(f"{folder.name} {command}")
    return found + [f"{pid} by its environment" for pid in strays.find(paths)]


@pytest.fixture
def other(lab: LabPaths) -> Iterator[LabPaths]:
    """Another lab beside the tests' one, not up, ended afterwards."""
    paths = LabPaths(state=Path(f"{lab.state}-2"), cache=lab.cache, port=lab.port + 500)
    xenci(paths, "lab", "down")
    shutil.rmtree(paths.state, ignore_errors=True)
    yield paths
    xenci(paths, "lab", "down")
    shutil.rmtree(paths.state, ignore_errors=True)


def test_status_tells_where_everything_is_and_that_it_is_a_lab(lab: LabPaths) -> None:
    told = xenci(lab, "lab", "status", "--json")
    assert told.returncode == 0, told.stderr
    status = json.loads(told.stdout)
    assert status["is_lab"] is True
    assert status["gerrit"]["url"] == f"http://127.0.0.1:{lab.gerrit_http}/"
    assert status["gerrit"]["ssh_port"] == lab.gerrit_ssh
    assert status["clouds_yaml"] == str(lab.clouds_yaml)
    assert status["dashboard"]["url"] == f"http://127.0.0.1:{lab.web}/"
    assert status["node_truly"]["xen-dom0-bookworm"] == "3 GB, 2 vCPU"
    names = {process["name"] for process in status["processes"]}
    assert {"gerrit", "ca-nova", "cb-nova", "clouds-postgres"} <= names
    assert all(process["memory_mb"] > 1 and process["pid"] > 1 for process in status["processes"])


def test_both_clouds_let_their_tenant_in(lab: LabPaths) -> None:
    loader = openstack.config.OpenStackConfig(config_files=[str(lab.clouds_yaml)])
    for cloud in CLOUDS:
        with openstack.connection.Connection(config=loader.get_one(f"{cloud}-demo")) as tenant:
            images = {image.name for image in tenant.image.images()}
            assert {"xen-dom0-bookworm", "standin"} <= images


def test_the_secrets_are_readable_by_their_owner_alone(lab: LabPaths) -> None:
    private = [lab.secrets, *(key for key in lab.keys.iterdir() if key.suffix != ".pub")]
    assert len(private) > 3
    assert {file.stat().st_mode & 0o777 for file in private} == {0o600}


def test_everything_listens_on_the_loopback_only(lab: LabPaths) -> None:
    ports = set(checks.all_ports(lab))
    heard = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            address, _, port = line.split()[1].partition(":")
            if line.split()[3] == "0A" and int(port, 16) in ports:
                heard.add(int(port, 16))
                # in the machine's byte order: 127.x.y.z, or that as an IPv6 address
                assert address.endswith("7F"), f"port {int(port, 16)} listens at {address}"
    assert heard == ports - {lab.web}


def test_a_second_lab_on_the_same_ports_is_told_who_has_them(lab: LabPaths, other: LabPaths) -> None:
    same = LabPaths(state=other.state, cache=lab.cache, port=lab.port)
    told = xenci(same, "lab", "up", "--no-xenci")
    assert told.returncode != 0
    assert f"port {lab.gerrit_http} is taken by pid" in told.stderr
    assert "java" in told.stderr
    assert "XENCI_LAB_PORT" in told.stderr
    assert not processes.all_of(other.run)


@contextmanager
def an_up_at_work(paths: LabPaths) -> Iterator[subprocess.Popen[bytes]]:
    """Start `up` and wait until it has a child at work."""
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen([XENCI, "lab", "up"], env=environment(paths), stderr=said) as up,
    ):
        try:
            wait_for(lambda: up.poll() is not None or any("java" in command for command in everything_of(paths)))
            said.seek(0)
            assert up.returncode is None, said.read()
            yield up
        finally:
            up.kill()


def test_down_ends_what_a_killed_up_left(lab: LabPaths, other: LabPaths) -> None:
    with an_up_at_work(other) as up:
        up.kill()
        up.wait()
        assert everything_of(other)
        assert xenci(other, "lab", "down").returncode == 0
        assert everything_of(other) == []
        assert listeners.on(checks.all_ports(other)) == []


def test_down_interrupts_an_up_at_work_and_leaves_nothing(lab: LabPaths, other: LabPaths) -> None:
    with an_up_at_work(other) as up:
        assert xenci(other, "lab", "down").returncode == 0
        assert up.wait(300) == 130
        assert everything_of(other) == []


def wait_for(condition: Callable[[], bool], seconds: float = 900.0) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(0.1)
