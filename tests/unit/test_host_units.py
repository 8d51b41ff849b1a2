"""What a hostile or broken node may answer to a look: it is told as HostOdd, never as the end of a unit."""

import base64
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenci.host import units
from xenci.host.port import CommandFailed, HostOdd, Output, Unit, UnitState

RUNNING = "LoadState=loaded\nActiveState=active\nResult=success\n"
GONE = "LoadState=not-found\nActiveState=inactive\nResult=success\n"


class Node:
    """Answers every command with the same bytes."""

    def __init__(self, stdout: str | bytes, exit_code: int = 0) -> None:
        self.stdout = stdout.encode() if isinstance(stdout, str) else stdout
        self.exit_code = exit_code

    def __call__(self, command: str, *, timeout: timedelta, input: bytes = b"") -> Output:
        return Output(exit_code=self.exit_code, stdout=self.stdout, stderr=b"")


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_an_exit_code_counts_though_systemd_still_calls_the_unit_active() -> None:
    look = units.look(Node(f"{RUNNING}code=0\nend\n"), "u", {})
    assert (look.state, look.exit_code) == (UnitState.EXITED, 0)


def test_a_unit_that_systemd_does_not_know_and_that_left_no_code_is_gone() -> None:
    assert units.look(Node(f"{GONE}end\n"), "u", {}).state is UnitState.GONE


@pytest.mark.parametrize(
    ("said", "exit_code"),
    [
        (RUNNING, 0),
        ("", 0),
        (f"{GONE}end\n", 3),
        ("LoadState=loaded\nend\n", 0),
        ("ActiveState=strange\nend\n", 0),
        (f"{RUNNING}code=\nend\n", 0),
        (f"{RUNNING}code=12345\nend\n", 0),
        (f"{RUNNING}code=-1\nend\n", 0),
        (f"{RUNNING}file 1 3 {encoded(b'abc')}\nend\n", 0),
        (f"{RUNNING}file 0 -3 {encoded(b'abc')}\nend\n", 0),
        (f"{RUNNING}file 0 3 abc\nend\n", 0),
        (f"{RUNNING}file 0 99 {encoded(b'x' * 11)}\nend\n", 0),
        (f"{RUNNING}file 0\nend\n", 0),
    ],
)
def test_an_answer_that_makes_no_sense_is_no_news_of_the_unit(said: str, exit_code: int) -> None:
    with pytest.raises(HostOdd):
        units.look(Node(said, exit_code), "u", {"/f": 0}, limit=10)


@given(st.binary())
def test_no_answer_breaks_a_look(said: bytes) -> None:
    for answer in (said, RUNNING.encode() + said + b"\nend\n"):
        try:
            look = units.look(Node(answer), "u", {"/f": 0}, limit=10)
        except HostOdd:
            continue
        assert len(look.files["/f"].data) <= 10


def test_a_file_of_many_bytes_is_followed_whatever_they_are() -> None:
    data = bytes(range(256)) + b"\nend\nfile 0 1 x\ncode=0\n"
    look = units.look(Node(f"{RUNNING}file 0 999 {encoded(data)}\nend\n"), "u", {"/f": 7})
    chunk = look.files["/f"]
    assert (chunk.offset, chunk.data, chunk.size, chunk.is_all) == (7, data, 999, False)
    assert look.state is UnitState.RUNNING


def test_a_start_that_systemd_refuses_is_told_with_its_words() -> None:
    unit = Unit(name="u", command="true", stdout="/o", stderr="/e", limit=timedelta(seconds=1))
    for node in (Node("Failed to connect to bus", 3), Node("", 0)):
        with pytest.raises(CommandFailed):
            units.start(node, unit)
