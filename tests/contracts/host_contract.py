"""What every Host does: one suite, for the small one of local processes and for real machines.

Whoever inherits gives a fixture `host` (a Host) and a fixture `place` (a folder on it, fresh for each test).
"""

import shlex
import socket
import subprocess
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from xenci.errors import NotFound
from xenci.host.collect import collect_command, put_script
from xenci.host.fetch import Limits, fetch
from xenci.host.port import CommandFailed, Host, HostSlow, Unit, UnitLook, UnitState

SOON = timedelta(seconds=60)


def unit(place: str, command: str, **more: object) -> Unit:
    """A unit whose name is the place's own."""
    name = "xenci-contract-" + place.strip("/").replace("/", "-")[-60:]
    options: dict[str, object] = {"limit": timedelta(seconds=60), "stdout": f"{place}/out", "stderr": f"{place}/err"}
    return Unit(name=name, command=command, **(options | more))  # type: ignore[arg-type]


def look_until(host: Host, unit: Unit, condition: Callable[[UnitLook], bool], *, minutes: float = 3) -> UnitLook:
    """Look until something is so; some minutes at most, as a busy machine is slow."""
    end = time.monotonic() + 60 * minutes
    while not condition(look := host.look(unit.name, {unit.stdout: 0})):
        assert time.monotonic() < end, look
        time.sleep(0.1)
    return look


def ended(look: UnitLook) -> bool:
    return look.state is not UnitState.RUNNING


class CommandContract:
    """Commands, files and pipes: any machine with SSH and a shell."""

    def test_a_command_tells_its_exit_code_and_both_of_its_outputs(self, host: Host) -> None:
        output = host.run("echo out; printf 'er\\0r' >&2; exit 7", timeout=SOON)
        assert (output.exit_code, output.stdout, output.stderr) == (7, b"out\n", b"er\0r")

    def test_a_command_reads_what_it_is_given_byte_by_byte(self, host: Host) -> None:
        data = bytes(range(256)) * 2000
        assert host.run("cat", timeout=SOON, input=data).stdout == data

    def test_a_command_that_takes_too_long_is_told_and_the_next_one_works(self, host: Host) -> None:
        with pytest.raises(HostSlow):
            host.run("sleep 20", timeout=timedelta(seconds=1))
        assert host.run("echo here", timeout=SOON).stdout == b"here\n"

    def test_a_file_that_was_written_is_read_back_with_its_mode(self, host: Host, place: str) -> None:
        host.write(f"{place}/deep/file", b"a\0b", mode=0o640)
        assert host.read(f"{place}/deep/file", limit=100) == b"a\0b"
        assert host.read(f"{place}/deep/file", limit=2) == b"a\0"
        assert host.run(f"stat -c %a {place}/deep/file", timeout=SOON).stdout == b"640\n"

    def test_a_file_that_is_not_there_is_not_found(self, host: Host, place: str) -> None:
        with pytest.raises(NotFound):
            host.read(f"{place}/nothing", limit=1)
        with pytest.raises(NotFound):
            host.read(place, limit=1)

    def test_a_file_that_cannot_be_written_is_a_failed_command(self, host: Host, place: str) -> None:
        host.write(f"{place}/file", b"")
        with pytest.raises(CommandFailed):
            host.write(f"{place}/file/below", b"")

    def test_each_connection_to_a_pipe_is_a_command_of_its_own(self, host: Host) -> None:
        with host.pipe("cat; echo end") as pipe:
            assert talk(pipe.path, b"one") == b"oneend\n"
            assert talk(pipe.path, b"two" * 100_000) == b"two" * 100_000 + b"end\n"
        assert not pipe.path.exists()

    def test_a_pipe_tells_what_its_command_complained_of(self, host: Host) -> None:
        with host.pipe("echo 'no such thing' >&2; exit 1") as pipe:
            assert talk(pipe.path, b"") == b""
            assert pipe.complaint == "no such thing"


class UnitContract:
    """Detached units: a machine with systemd."""

    #: in this time the machine surely begins what it was told
    cut_after = timedelta(seconds=1)

    def test_a_unit_leaves_its_exit_code_and_its_output(self, host: Host, place: str) -> None:
        work = unit(place, "echo one; echo two >&2; exit 3")
        assert host.start_unit(work) is True
        look = look_until(host, work, ended)
        assert (look.state, look.exit_code) == (UnitState.EXITED, 3)
        assert look.files[work.stdout].data == b"one\n"
        assert look.files[work.stdout].is_all
        assert host.read(work.stderr, limit=100) == b"two\n"

    def test_a_unit_is_never_started_twice(self, host: Host, place: str) -> None:
        work = unit(place, f"echo ran >> {place}/count; until [ -e {place}/go ]; do sleep 0.1; done")
        assert host.start_unit(work) is True
        assert host.start_unit(work) is False
        host.write(f"{place}/go", b"")
        look_until(host, work, ended)
        assert host.start_unit(work) is False
        assert host.read(f"{place}/count", limit=100) == b"ran\n"

    def test_a_unit_cut_by_its_limit_is_gone_without_an_exit_code_and_is_not_started_again(
        self, host: Host, place: str
    ) -> None:
        work = unit(place, "echo begun; sleep 50", limit=self.cut_after)
        host.start_unit(work)
        look = look_until(host, work, ended)
        assert (look.state, look.exit_code, look.reason) == (UnitState.GONE, None, "timeout")
        assert look.files[work.stdout].data == b"begun\n"
        assert host.start_unit(work) is False

    def test_a_unit_that_is_stopped_is_gone_with_its_children(self, host: Host, place: str) -> None:
        work = unit(place, "sleep 51 & echo $!; wait")
        host.start_unit(work)
        look = look_until(host, work, lambda look: look.files[work.stdout].size > 0)
        child = int(look.files[work.stdout].data)
        host.stop_unit(work.name)
        look = look_until(host, work, ended)
        assert (look.state, look.exit_code) == (UnitState.GONE, None)
        # who is killed is gone when a core has had time for it, and may be left as a zombie where nobody waits for it
        limit = time.monotonic() + 600
        while host.run(f"ps -o stat= -p {child}", timeout=SOON).stdout.strip() not in (b"", b"Z"):
            assert time.monotonic() < limit
        host.stop_unit(work.name)

    def test_a_unit_that_never_was_is_gone(self, host: Host, place: str) -> None:
        look = host.look("xenci-contract-never", {f"{place}/none": 0})
        assert (look.state, look.exit_code, look.reason) == (UnitState.GONE, None, "")
        assert look.files[f"{place}/none"].data == b""
        assert look.files[f"{place}/none"].size == 0

    def test_files_are_followed_from_where_the_last_look_ended(self, host: Host, place: str) -> None:
        work = unit(place, f"printf 'a\\000b'; until [ -e {place}/go ]; do sleep 0.1; done; printf cd")
        host.start_unit(work)
        first = look_until(host, work, lambda look: look.files[work.stdout].size == 3)
        assert first.files[work.stdout].data == b"a\0b"
        host.write(f"{place}/go", b"")
        look_until(host, work, ended)
        rest = host.look(work.name, {work.stdout: 3, work.stderr: 0})
        assert (rest.files[work.stdout].offset, rest.files[work.stdout].data) == (3, b"cd")
        assert rest.files[work.stderr].data == b""

    def test_a_look_brings_no_more_than_its_limit_and_says_that_there_is_more(self, host: Host, place: str) -> None:
        host.write(f"{place}/big", b"0123456789" * 100)
        chunk = host.look("xenci-contract-never", {f"{place}/big": 995}, limit=3).files[f"{place}/big"]
        assert (chunk.data, chunk.size, chunk.is_all) == (b"567", 1000, False)

    def test_a_file_that_became_shorter_is_seen_to_be(self, host: Host, place: str) -> None:
        host.write(f"{place}/file", b"123")
        chunk = host.look("xenci-contract-never", {f"{place}/file": 9}).files[f"{place}/file"]
        assert (chunk.data, chunk.size) == (b"", 3)

    def test_a_unit_has_its_folder_and_its_environment(self, host: Host, place: str) -> None:
        host.write(f"{place}/env", b'ONE="from; file"\nTWO=file\n')
        work = unit(
            place,
            'pwd; echo "$ONE $TWO $THREE"',
            working_directory=place,
            env_file=f"{place}/env",
            env={"THREE": "it's 100% $HOME"},
        )
        host.start_unit(work)
        look = look_until(host, work, ended)
        assert look.files[work.stdout].data.decode() == f"{place}\nfrom; file file it's 100% $HOME\n"

    def test_a_command_that_the_shell_does_not_understand_ends_with_a_code(self, host: Host, place: str) -> None:
        work = unit(place, "if; 'unfinished")
        host.start_unit(work)
        look = look_until(host, work, ended)
        assert look.state is UnitState.EXITED
        assert look.exit_code

    def test_names_that_could_be_commands_are_refused(self, host: Host, place: str) -> None:
        with pytest.raises(ValueError, match="no name for a unit"):
            host.start_unit(Unit(name="a; reboot", command="true", stdout="/x", stderr="/x", limit=SOON))
        with pytest.raises(ValueError, match="no path for a unit"):
            host.look("xenci-contract-never", {"/tmp/$(reboot)": 0})


class TreeContract:
    """Pushed trees and fetched logs: a machine with git and GNU tar."""

    def test_a_commit_is_pushed_and_pushed_again_by_force(self, host: Host, place: str, tmp_path: Path) -> None:
        assert host.run(f"git init -q {place}/tree", timeout=SOON).exit_code == 0
        for text in ("one", "two"):
            commit = make_commit(tmp_path / text, text)
            host.push_tree(tmp_path / text, commit, remote_path=f"{place}/tree", ref="refs/xenci/7/first", timeout=SOON)
            there = host.run(f"git -C {place}/tree rev-parse refs/xenci/7/first", timeout=SOON)
            assert there.stdout.decode().strip() == commit

    def test_a_push_to_where_there_is_no_tree_fails_with_gits_words(
        self, host: Host, place: str, tmp_path: Path
    ) -> None:
        commit = make_commit(tmp_path / "one", "one")
        with pytest.raises(CommandFailed, match="git repository"):
            host.push_tree(tmp_path / "one", commit, remote_path=f"{place}/no", ref="refs/xenci/x", timeout=SOON)

    def test_a_folder_is_fetched_without_what_is_no_plain_file(self, host: Host, place: str) -> None:
        script = f"""mkdir -p {place}/logs/deep && cd {place}/logs && printf 0123456789 > deep/long && printf x > x &&
            ln -s /etc/passwd link && ln x hard && mkfifo fifo && printf h > .hidden && printf s > 'a b'"""
        assert host.run(script, timeout=SOON).exit_code == 0
        limits = Limits(max_file=4, max_total=1 << 20, max_files=100)
        with fetch(host, f"{place}/logs", limits=limits, timeout=SOON) as folder:
            files = {file.name: (file.read(), file.is_cut) for file in folder}
        one = files.pop("x", None) or files.pop("hard")
        assert one == (b"x", False)
        assert files == {"deep/long": (b"0123", True)}
        assert {refused.name for refused in folder.refused} - {"x", "hard"} == {".hidden", "a b"}

    def test_a_folder_that_is_not_there_cannot_be_fetched(self, host: Host, place: str) -> None:
        limits = Limits(max_file=4, max_total=1 << 20, max_files=100)
        with (
            pytest.raises(CommandFailed, match="no logs to fetch"),
            fetch(host, f"{place}/no", limits=limits, timeout=SOON) as folder,
        ):
            list(folder)

    def test_logs_are_gathered_and_their_manifest_names_what_was_cut(self, host: Host, place: str) -> None:
        host.write(f"{place}/phases/tempest.log", b"0123456789" * 1000)
        sources = {"phases/": f"{place}/phases", "none": "/no/such/file"}
        manifest = gathered(host, place, max_file=9_999, sources=sources)
        assert manifest["phases/tempest.log"] == "cut"
        assert manifest["versions/kernel.txt"] == "-"
        assert "none" not in manifest
        assert host.read(f"{place}/logs/phases/tempest.log", limit=20_000) == (
            b"[1 bytes before this line were left out]\n" + (b"0123456789" * 1000)[1:]
        )


def gathered(host: Host, place: str, *, max_file: int, sources: dict[str, str]) -> dict[str, str]:
    """Have logs gathered in the place's `logs`, as a unit; return each file's mark in the manifest."""
    put_script(host)
    command = collect_command(f"{place}/logs", max_file=max_file, sources=sources)
    work = unit(place, command, limit=timedelta(minutes=10), stdout=f"{place}/manifest")
    host.start_unit(work)
    look = look_until(host, work, ended, minutes=10)
    assert look.exit_code == 0
    lines = [line.split(maxsplit=2) for line in look.files[work.stdout].data.decode().splitlines()]
    return {name: mark for _, mark, name in lines}


def talk(path: Path, data: bytes) -> bytes:
    """Say all to a socket, and hear all."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def make_commit(folder: Path, text: str) -> str:
    """A repository with one commit; its id."""
    who = "-c user.name=a -c user.email=a@b.invalid -c init.defaultBranch=main"
    commands = f"git {who} init -q {folder} && git {who} -C {folder} commit -q --allow-empty -m {shlex.quote(text)}"
    subprocess.run(["sh", "-c", commands], check=True)
    return subprocess.check_output(["git", "-C", folder, "rev-parse", "HEAD"], text=True).strip()
