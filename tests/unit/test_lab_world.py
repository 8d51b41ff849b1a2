"""The lab as a whole, as far as it can be tried without one: checks, strays, configuration, status, logs, commands."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from xenci.cli.lab import app
from xenci.config.load import load
from xenci.errors import ConfigError, NotFound, Permanent
from xenci.lab import checks, listeners, lock, logs, passwords, processes, settings, status, strays, world
from xenci.lab.paths import LabPaths

#: /proc/net/tcp: 22 on all addresses, 15080 on 127.0.0.1, 22 on 127.153.0.7 (a machine), and a connection to 15080
TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1001 1 0 100 0 0 10 0
   1: 0100007F:3AE8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1002 1 0 100 0 0 10 0
   2: 0700997F:0017 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1003 1 0 100 0 0 10 0
   3: 0100007F:3AE9 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 1004 1 0 100 0 0 10 0
"""


@pytest.fixture
def paths(tmp_path: Path) -> LabPaths:
    return LabPaths(state=tmp_path / "lab", cache=tmp_path / "cache", port=24700)


@pytest.fixture
def as_environment(paths: LabPaths, monkeypatch: pytest.MonkeyPatch) -> LabPaths:
    monkeypatch.setenv("XENCI_LAB_DIR", str(paths.state))
    monkeypatch.setenv("XENCI_CACHE_DIR", str(paths.cache))
    monkeypatch.setenv("XENCI_LAB_PORT", str(paths.port))
    return paths


def test_only_listeners_that_127_0_0_1_would_collide_with_count() -> None:
    assert listeners.parse(TABLE) == {22: "1001", 15080: "1002"}


def test_who_listens_is_told_by_pid_and_command() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        [found] = listeners.on([port, 1])
    assert found.pid == os.getpid()
    assert str(found).startswith(f"port {port} is taken by pid {os.getpid()} (")
    assert listeners.on([port]) == []


def test_too_little_memory_is_said_with_the_remedy_but_what_the_lab_holds_itself_counts_as_free() -> None:
    [problem] = checks.memory(6.04, 0.0)
    assert problem.what == "6.0 GB of memory are available, the lab needs 10 GB"
    assert "xenci lab down" in problem.remedy
    assert checks.memory(6.0, 4.5) == []


def test_too_little_disk_is_said_with_the_place() -> None:
    [problem] = checks.disk(Path("/var/cache/xenci"), 14.94, 15.0)
    assert problem.what == "14.9 GB of disk are free at /var/cache/xenci, the lab needs 15 GB there"
    assert checks.disk(Path("/var/cache/xenci"), 15.0, 15.0) == []


def test_missing_programs_are_told_with_the_one_command_that_brings_them() -> None:
    [problem] = checks.tools(["mvn", "java", "ssh", "ssh-keygen"])
    assert problem.what == "missing programs: java, mvn, ssh, ssh-keygen"
    assert problem.remedy == "apt-get install maven openjdk-17-jre-headless openssh-client"


def test_a_port_that_another_program_has_is_a_problem_and_ones_own_is_none(paths: LabPaths) -> None:
    with socket.create_server(("127.0.0.1", paths.gerrit_http)):
        foreign = list(checks.ports(paths))
        assert len(foreign) == 1
        assert "XENCI_LAB_PORT" in foreign[0].remedy
        processes.adopt(paths.run, "gerrit", os.getpid())
        assert not list(checks.ports(paths))


def test_a_path_too_long_for_sockets_is_refused_before_anything_starts(paths: LabPaths) -> None:
    deep = LabPaths(state=Path("/var/tmp") / ("x" * 40), cache=paths.cache, port=paths.port)
    assert any("too long a path" in problem.what for problem in checks.find(deep))


def test_all_problems_are_told_at_once_each_with_its_remedy() -> None:
    error = checks.CannotStart([*checks.memory(1, 0), *checks.tools(["mvn"])])
    assert len(error.detail.splitlines()) == 2
    assert "apt-get install maven." in error.detail
    assert "memory" in error.detail


@pytest.fixture
def stray(paths: LabPaths, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """A process that something of this lab started and forgot."""
    monkeypatch.setenv("XENCI_LAB_OF", str(paths.state))
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    # for a moment of its start the kernel shows no environment
    while not Path(f"/proc/{child.pid}/environ").read_bytes():
        time.sleep(0.01)
    yield child
    child.kill()
    child.wait()


def test_what_a_killed_command_left_is_found_by_the_mark_it_inherited(
    paths: LabPaths, stray: subprocess.Popen[bytes]
) -> None:
    assert strays.find(paths) == [stray.pid]
    assert strays.find(LabPaths(state=paths.state / "other", cache=paths.cache, port=1)) == []
    assert strays.end(paths, but=[stray.pid]) == 0
    assert strays.end(paths) == 1
    assert stray.wait(10) != 0
    assert strays.find(paths) == []


def test_down_of_a_lab_that_never_was_is_harmless(paths: LabPaths, stray: subprocess.Popen[bytes]) -> None:
    world.down(paths)
    assert stray.wait(10) != 0
    world.down(paths)


def test_every_part_is_run_to_its_end_before_a_failure_is_raised(paths: LabPaths) -> None:
    done = []

    def fails() -> None:
        raise Permanent("no luck")

    with pytest.raises(Permanent, match="no luck"):
        world._at_once(paths, fails, lambda: done.append("second"))
    assert done == ["second"]


def test_a_lock_tells_its_holder_and_only_while_it_is_held(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "lock"
    assert lock.holder(file) is None
    with lock.held(file, "this test"):
        assert lock.holder(file) == os.getpid()
    assert lock.holder(file) is None


@pytest.fixture
def with_host_key(paths: LabPaths) -> LabPaths:
    """A lab whose Gerrit has been initialised, as far as the configuration is concerned."""
    etc = paths.gerrit / "site" / "etc"
    etc.mkdir(parents=True)
    (etc / "ssh_host_ed25519_key.pub").write_text("ssh-ed25519 AAAAC3Nz gerrit@host\n")
    (paths.state / "clouds").mkdir()
    (paths.state / "clouds" / "ssh_port").write_text("22")
    return paths


def test_the_labs_configuration_is_filled_in_and_valid(with_host_key: LabPaths) -> None:
    written = load(settings.write_config(with_host_key))
    assert written.is_lab
    assert not written.reports_start_paused
    assert written.gerrit.url == f"http://127.0.0.1:{with_host_key.gerrit_http}/"
    assert written.gerrit.ssh.port == with_host_key.gerrit_ssh
    assert written.gerrit.ssh.host_key == "ssh-ed25519 AAAAC3Nz"
    assert written.web.port == with_host_key.web
    assert written.state_dir == with_host_key.state / "xenci"
    assert all(carry.series.is_dir() for job in written.jobs for carry in job.carry)


def test_no_secret_gets_into_the_configuration(with_host_key: LabPaths) -> None:
    text = settings.write_config(with_host_key).read_text()
    assert settings.values(with_host_key)["gerrit_password_env"] in text
    assert not any(secret in text for secret in passwords.read(with_host_key.secrets).values())


def test_a_placeholder_that_nobody_fills_in_is_named(with_host_key: LabPaths, tmp_path: Path) -> None:
    template = tmp_path / "lab.yaml"
    template.write_text("system: ${sytem_name}\n")
    with pytest.raises(ConfigError, match="sytem_name"):
        settings.write_config(with_host_key, template)
    template.write_text('pattern: "x$"\n')
    with pytest.raises(ConfigError, match=r"\$\$"):
        settings.write_config(with_host_key, template)
    assert not with_host_key.config.exists()


def test_the_emulated_machines_true_size_is_read_from_what_starts_it() -> None:
    assert status.true_size('{"qemu": ["-cpu", "Westmere", "-smp", "2", "-m", "3072"]}') == "3 GB, 2 vCPU"
    assert status.true_size('{"qemu": ["-m", "192", "-smp", "1"]}') == "192 MB, 1 vCPU"


def test_status_of_a_lab_that_is_down_says_so_and_where_it_would_be(as_environment: LabPaths) -> None:
    told = CliRunner().invoke(app, ["status", "--json"])
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    assert found["is_lab"] is True
    assert found["gerrit"] == {
        "url": "http://127.0.0.1:24780/",
        "ssh_port": 24729,
        "known_hosts": str(as_environment.state / "gerrit_known_hosts"),
        "runs": False,
    }
    assert found["dashboard"] == {"url": "http://127.0.0.1:24788/", "answers": False}
    assert found["processes"] == []
    assert "8 GB, 4 vCPU" in found["node_nominal"]
    assert "Nothing runs" in CliRunner().invoke(app, ["status"]).stdout


def test_what_the_cache_takes_is_told_part_by_part(as_environment: LabPaths) -> None:
    (as_environment.cache / "images" / "x").mkdir(parents=True)
    (as_environment.cache / "images" / "x" / "memory").write_bytes(os.urandom(3 << 20))
    with (as_environment.cache / "images" / "x" / "disk").open("wb") as sparse:
        sparse.truncate(1 << 30)
    assert status.read(as_environment).cache_mb in ({"images": 3}, {"images": 4})


def test_status_lists_a_process_with_pid_and_memory(as_environment: LabPaths) -> None:
    processes.adopt(as_environment.run, "gerrit", os.getpid(), log=as_environment.log / "gerrit.log")
    found = json.loads(CliRunner().invoke(app, ["status", "--json"]).stdout)
    [process] = found["processes"]
    assert process["name"] == "gerrit"
    assert process["pid"] == os.getpid()
    assert process["memory_mb"] > 1
    assert "gerrit" in CliRunner().invoke(app, ["status"]).stdout


def test_a_log_is_printed_by_its_name_and_an_unknown_name_is_told_the_known_ones(as_environment: LabPaths) -> None:
    as_environment.log.mkdir(parents=True)
    (as_environment.log / "ca-nova.log").write_text("first\nlast, without an end")
    assert CliRunner().invoke(app, ["logs", "ca-nova"]).stdout == "first\nlast, without an end\n"
    with pytest.raises(NotFound) as unknown:
        logs.file(as_environment, "cb-nova")
    assert "ca-nova" in unknown.value.remedy


def test_a_followed_log_goes_on_with_what_is_written_meanwhile(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("one\nhalf")
    lines = logs.lines(log, follow=True, pause=0.001)
    assert next(lines) == "one"
    with log.open("a") as more:
        more.write(" and half\n")
    assert next(lines) == "half and half"


@pytest.mark.parametrize("port", ["", "many", "15050", "25500", "-100", "0"])
def test_a_port_that_cannot_be_the_labs_first_is_refused(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv("XENCI_LAB_PORT", port)
    with pytest.raises(ConfigError, match="XENCI_LAB_PORT"):
        LabPaths.of_environment()


def test_an_unknown_kind_of_push_is_told_the_known_ones(as_environment: LabPaths) -> None:
    refused = CliRunner().invoke(app, ["push", "nonsense"])
    assert isinstance(refused.exception, Permanent)
    assert "carry-conflict" in refused.exception.remedy
