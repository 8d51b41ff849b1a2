"""How `xenci lab` is ended: whatever ends a program takes the lab down whole."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from xenci.cli import lab

ENDINGS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
PROGRAM = f"""
import signal
from xenci.cli import lab
lab._let_be_interrupted()
for _ in range({len(ENDINGS)}):
    try:
        print("ready", flush=True)
        signal.pause()
    except KeyboardInterrupt:
        print("was asked to end", flush=True)
"""


@pytest.fixture
def handlers() -> Iterator[None]:
    """Give the signals back to whom they belonged."""
    before = {one: signal.getsignal(one) for one in ENDINGS}
    yield
    for one, handler in before.items():
        signal.signal(one, handler)


def test_ctrl_c_a_kill_and_a_closed_terminal_are_an_interrupt() -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        for ending in ENDINGS:
            assert program.stdout.readline() == "ready\n"
            program.send_signal(ending)
            assert program.stdout.readline() == "was asked to end\n"
    assert program.returncode == 0


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda one: one.name)
@pytest.mark.usefixtures("handlers")
def test_a_demo_that_is_ended_takes_the_lab_down_and_is_not_ended_in_that(
    ending: signal.Signals, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    down: list[object] = []

    def end(*_: object) -> None:
        os.kill(os.getpid(), ending)

    def take_down(*_: object) -> None:
        for again in ENDINGS:
            os.kill(os.getpid(), again)
        down.append("whole")

    monkeypatch.setenv("XENCI_LAB", str(tmp_path))
    monkeypatch.setattr(lab.lab_demo, "run", end)
    monkeypatch.setattr(lab.world, "down", take_down)
    with pytest.raises(KeyboardInterrupt):
        lab.demo()
    assert down == ["whole"]
