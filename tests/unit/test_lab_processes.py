"""The lab's processes: started once, found again, ended whole, never mistaken for another's."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from xenci.lab import processes

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def run(tmp_path: Path):
    folder = tmp_path / "run"
    yield folder
    for process in processes.all_of(folder):
        processes.end(folder, process.name, patience=1.0)


def start(run: Path, name: str = "sleeper", command: list[str] = SLEEP) -> processes.Process:
    return processes.start(run, name, command, log=run.parent / f"{name}.log")


def test_a_process_is_found_again_by_its_file_alone(run: Path) -> None:
    started = start(run)
    found = processes.find(run, "sleeper")
    assert found == started
    assert found.lives
    assert found.memory_mb > 0


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="this kernel has no autogroups")
def test_a_processs_session_is_as_nice_as_who_starts_it(run: Path) -> None:
    called = f"processes.start(Path({str(run)!r}), 'nicer', {SLEEP!r}, log=Path('/dev/null'))"
    program = f"from pathlib import Path; from xenci.lab import processes; {called}"
    subprocess.run(["nice", "-n", "5", sys.executable, "-c", program], check=True)
    nicer = processes.find(run, "nicer")
    assert nicer is not None
    assert Path(f"/proc/{nicer.pid}/autogroup").read_text().endswith("nice 5\n")


def test_a_process_that_lives_is_not_started_twice(run: Path) -> None:
    assert start(run).pid == start(run).pid


def test_a_process_that_was_killed_is_started_anew(run: Path) -> None:
    first = start(run)
    os.kill(first.pid, 9)
    os.waitpid(first.pid, 0)
    assert start(run).pid != first.pid


def test_a_zombie_counts_as_ended(run: Path) -> None:
    process = start(run)
    os.kill(process.pid, 9)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and nobody has taken its exit code
    assert not process.lives


def test_a_recycled_pid_is_neither_ours_nor_ended(run: Path) -> None:
    process = start(run)
    file = run / "sleeper.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"ticks": process.ticks - 1}))
    try:
        assert not processes.find(run, "sleeper").lives
        processes.end(run, "sleeper")
        assert process.lives
        assert processes.find(run, "sleeper") is None
    finally:
        os.kill(process.pid, 9)
        os.waitpid(process.pid, 0)


def test_the_end_of_a_process_is_the_end_of_its_children(run: Path, tmp_path: Path) -> None:
    child = "import subprocess, sys; subprocess.Popen(sys.argv[1:]).wait()"
    note = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    start(run, command=[sys.executable, "-c", child, sys.executable, "-c", note])
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        os.sched_yield()
    pid = int((tmp_path / "pid").read_text())
    processes.end(run, "sleeper")
    stat = Path(f"/proc/{pid}/stat")
    # it was told with its parent, and ends in its own time
    while stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] not in "ZX":
        os.sched_yield()


def test_a_process_that_ignores_the_gentle_signal_is_ended_by_force(run: Path, tmp_path: Path) -> None:
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"open({str(tmp_path / 'ready')!r}, 'w').close(); time.sleep(600)"
    )
    process = start(run, command=[sys.executable, "-c", stubborn])
    while not (tmp_path / "ready").exists():
        os.sched_yield()
    processes.end(run, "sleeper", patience=0.1)
    assert not process.lives


def test_ending_what_never_was_is_harmless(run: Path) -> None:
    processes.end(run, "nobody")


def test_its_output_goes_to_its_log(run: Path) -> None:
    process = start(run, command=[sys.executable, "-c", "print('hello')"])
    with contextlib.suppress(ChildProcessError):  # it ended before start() did, which waited for it then
        os.waitpid(process.pid, 0)
    assert process.log.read_text() == "hello\n"


def test_a_daemon_of_another_can_be_taken_into_keeping(run: Path) -> None:
    child = subprocess.Popen(SLEEP, start_new_session=True)
    processes.adopt(run, "daemon", child.pid)
    assert [p.name for p in processes.all_of(run)] == ["daemon"]
    processes.end(run, "daemon")
    # who ends it may have taken its status already
    child.wait()
    assert not Path(f"/proc/{child.pid}").exists()
    assert processes.all_of(run) == []


def test_adopting_a_process_that_has_ended_says_where_its_log_is(run: Path, tmp_path: Path) -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    with pytest.raises(processes.DidNotStart, match=r"daemon.*/the\.log"):
        processes.adopt(run, "daemon", child.pid, log=tmp_path / "the.log")


def test_processes_are_listed_in_the_order_in_which_they_started(run: Path) -> None:
    start(run, "zebra")
    start(run, "ant")
    assert [p.name for p in processes.all_of(run)] == ["zebra", "ant"]
