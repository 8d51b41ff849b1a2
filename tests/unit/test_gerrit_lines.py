"""Packets into lines."""

from hypothesis import given, settings
from hypothesis import strategies as st

from xenci.gerrit.lines import Lines


def test_several_lines_in_one_packet_are_several_lines() -> None:
    assert Lines().feed(b"one\ntwo\r\n\nthree\n") == [b"one", b"two", b"three"]


def test_half_a_line_waits_for_its_other_half() -> None:
    lines = Lines()
    assert lines.feed(b"o") == []
    assert lines.feed(b"ne\ntw") == [b"one"]
    assert lines.rest() == b"tw"
    assert lines.rest() == b""


@settings(deadline=None, max_examples=40)
@given(
    packets=st.lists(st.binary(max_size=30), max_size=10).map(lambda parts: [p.replace(b"\r", b"") for p in parts]),
)
def test_lines_are_the_same_however_they_are_cut_into_packets(packets: list[bytes]) -> None:
    lines = Lines()
    found = [line for packet in packets for line in lines.feed(packet)]
    rest = lines.rest()
    assert [*found, *([rest] if rest else [])] == [s for line in b"".join(packets).split(b"\n") if (s := line.strip())]


def test_a_line_without_end_is_thrown_away_and_the_next_one_counts() -> None:
    lines = Lines(longest=10)
    assert lines.feed(b"first\n" + b"x" * 8) == [b"first"]
    for _ in range(100):
        assert lines.feed(b"x" * 8) == []
    assert lines.feed(b"xx\nnext\n") == [b"next"]


def test_a_line_that_is_too_long_within_one_packet_costs_only_itself() -> None:
    assert Lines(longest=10).feed(b"a\n" + b"x" * 11 + b"\nb\n") == [b"a", b"b"]
