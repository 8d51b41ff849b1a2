"""Windows, levels and spans of time of a file, against a plain reading of the same bytes."""

import gzip
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xenci.artifacts.local import LocalStore
from xenci.dashboard.logfiles import MOST_LOOKED_AT, LogFiles, Wanted
from xenci.dashboard.loglines import Level, time_of
from xenci.dashboard.logseek import count_lines, lines_with, offset_of, seek_line
from xenci.errors import NotFound

BUILD = "0" * 32
EVERY = Wanted()
RECORDED = gzip.decompress((Path(__file__).parents[1] / "data" / "logs" / "nova-on-xen417-end.log.gz").read_bytes())
MOMENTS = [at for line in RECORDED.decode().split("\n") if (at := time_of(line))]


@pytest.fixture
def logs(tmp_path: Path) -> LogFiles:
    store = LocalStore(tmp_path)
    store.put(BUILD, "nova.log", RECORDED)
    return LogFiles(store)


def put(logs: LogFiles, name: str, data: bytes) -> None:
    assert isinstance(logs.store, LocalStore)
    logs.store.put(BUILD, name, data)


def test_a_window_has_the_lines_that_it_was_asked_for(logs: LogFiles) -> None:
    lines = RECORDED.decode().splitlines()
    assert logs.lines(BUILD, "nova.log", EVERY, first=100, count=3).lines == [
        (100, lines[99]),
        (101, lines[100]),
        (102, lines[101]),
    ]
    assert logs.lines(BUILD, "nova.log", EVERY, first=700, count=10).lines == [(700, lines[699])]
    assert logs.lines(BUILD, "nova.log", EVERY, first=10_000, count=10).lines == []


def test_a_survey_counts_lines_errors_and_warnings(logs: LogFiles) -> None:
    put(logs, "n.log", b"2026-11-21 15:39:02.101 9 INFO x\n2026-11-21 15:39:02.102 9 ERROR y\nz\n" * 3)
    seen = logs.survey(BUILD, "n.log")
    assert (seen.lines, seen.errors, seen.first_error, seen.is_text) == (9, 3, 2, True)
    put(logs, "nova.log", b"2026-11-21 15:39:02.101 9 WARNING x\n2026-11-21 15:39:02.102 9 ERROR y\nz" * 2)
    seen = logs.survey(BUILD, "nova.log")
    assert (seen.lines, seen.errors, seen.warnings, seen.first_error) == (5, 2, 1, 2)


def test_a_level_and_a_word_choose_lines_and_keep_their_numbers(logs: LogFiles) -> None:
    data = b"".join(
        f"2026-11-21 15:39:02.101 9 {level} nova {i}\n".encode()
        for i, level in enumerate(["DEBUG", "INFO", "ERROR", "WARNING", "DEBUG", "ERROR"])
    )
    put(logs, "nova.log", data)

    def numbers(wanted: Wanted) -> list[int]:
        return [number for number, _ in logs.lines(BUILD, "nova.log", wanted, first=1, count=9).lines]

    assert numbers(Wanted(level=Level.ERROR)) == [3, 6]
    assert numbers(Wanted(level=Level.WARNING)) == [3, 4, 6]
    assert numbers(Wanted(level=Level.INFO)) == [2, 3, 4, 6]
    assert numbers(Wanted(text="NOVA 4")) == [5]
    assert numbers(Wanted(level=Level.ERROR, text="nova 5")) == [6]


def test_a_file_that_is_no_text_is_shown_as_octets(logs: LogFiles) -> None:
    put(logs, "x.subunit", bytes(range(40)))
    assert not logs.survey(BUILD, "x.subunit").is_text
    rows = logs.octets(BUILD, "x.subunit", first=2, count=5)
    assert [number for number, _ in rows] == [2, 3]
    assert rows[0][1].startswith("00000010  10 11 12")
    assert rows[1][1].endswith(" !\"#$%&'")


def test_a_line_without_an_end_is_read_in_part_and_counted_once(logs: LogFiles) -> None:
    put(logs, "long.log", b"a\n" + b"x" * 200_000 + b"\nb")
    lines = logs.lines(BUILD, "long.log", EVERY, first=1, count=9).lines
    assert [(number, len(text)) for number, text in lines] == [(1, 1), (2, 65536), (3, 1)]


def test_the_end_of_a_file_is_a_tail(logs: LogFiles) -> None:
    put(logs, "t.log", b"".join(b"line %d\n" % i for i in range(100)))
    assert logs.tail(BUILD, "t.log", count=3) == ["line 97", "line 98", "line 99"]
    assert logs.tail(BUILD, "nothing.log", count=3) == []


@pytest.mark.parametrize("name", ["../nova.log", "/etc/passwd", "", "a//b", ".cut/x", "nova.log/x", "missing.log"])
def test_a_name_that_is_no_file_of_the_build_is_not_found(logs: LogFiles, name: str) -> None:
    with pytest.raises(NotFound):
        logs.survey(BUILD, name)


def test_broken_bytes_are_shown_as_broken(logs: LogFiles) -> None:
    put(logs, "b.log", b"caf\xc3\xa9 \xff\xfe\r\nnext\rsame\n")
    assert logs.lines(BUILD, "b.log", EVERY, first=1, count=9).lines == [(1, "café ��"), (2, "next\rsame")]


@given(st.sampled_from(MOMENTS), st.integers(-2, 2), st.integers(0, 90))
@settings(max_examples=60)
def test_a_span_of_time_is_what_a_plain_reading_finds(at: datetime, shift: int, seconds: int) -> None:
    start = at + timedelta(milliseconds=shift)
    end = start + timedelta(seconds=seconds)
    lines = RECORDED.decode().split("\n")[:-1]
    times = [time_of(line) for line in lines]
    first = next((i for i, t in enumerate(times) if t is not None and t >= start), len(lines))
    stop = next((i for i, t in enumerate(times) if t is not None and t > end), len(lines))
    file = BytesIO(RECORDED)
    begins = offset_of(file, len(RECORDED), start)
    ends = offset_of(file, len(RECORDED), end, after=True)
    assert RECORDED[begins:ends].decode().split("\n")[:-1] == lines[first:stop]
    assert count_lines(file, begins) == first


@given(
    st.lists(st.binary(max_size=30).filter(lambda b: b"\n" not in b), max_size=30), st.integers(1, 35), st.booleans()
)
def test_lines_are_counted_and_found_as_a_plain_reading_does(lines: list[bytes], number: int, ends: bool) -> None:
    data = b"\n".join(lines) + (b"\n" if ends and lines else b"")
    file = BytesIO(data)
    pieces = data.split(b"\n")
    expected = len(pieces) - (pieces[-1] == b"")
    assert count_lines(file, len(data)) == expected
    seek_line(file, number)
    rest = file.read()
    assert rest == b"\n".join(pieces[number - 1 :])


def test_a_span_is_cut_to_its_end_and_still_begins_with_a_whole_line(logs: LogFiles) -> None:
    start, end = MOMENTS[0], MOMENTS[-1]
    first, lines = logs.between(BUILD, "nova.log", start, end, limit=10_000)
    every = RECORDED.decode().splitlines()
    assert lines == every[first - 1 :]
    assert 1 < first < len(every)
    assert sum(len(line) + 1 for line in lines) <= 10_000


def test_a_span_before_and_after_the_log_is_empty(logs: LogFiles) -> None:
    early, late = datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
    assert logs.between(BUILD, "nova.log", early, early, limit=1000)[1] == []
    assert logs.between(BUILD, "nova.log", late, late, limit=1000)[1] == []


@pytest.mark.parametrize(
    "piece",
    [
        b"\n",
        b"x",
        b"ERROR x\n",
        b" ERROR \n",
        b"2026-11-21 15:39:02.101 9 ERROR y\n",
        b"error ",
        b"2026-11-21 15:39:02.101 9 DEBUG y\n" + b"\n" * 100_000,
    ],
)
@pytest.mark.parametrize("name", ["nova.log", "libxl.log"])
# what takes a line's length squared takes hours here
@pytest.mark.timeout(120)
def test_a_log_made_to_be_slow_is_read_to_its_end(logs: LogFiles, name: str, piece: bytes) -> None:
    put(logs, name, piece * ((1 << 20) // len(piece)))
    logs.survey(BUILD, name)
    for wanted in (EVERY, Wanted(level=Level.ERROR), Wanted(level=Level.INFO), Wanted(text="unicorn")):
        logs.lines(BUILD, name, wanted, first=2, count=500)
    logs.between(BUILD, name, MOMENTS[0], MOMENTS[-1], limit=4_000_000)


def test_of_too_many_lines_some_are_judged_and_it_is_told_until_where(logs: LogFiles) -> None:
    line = b"2026-11-21 15:39:02.101 9 INFO an ERROR in a text\n"
    last = b"2026-11-21 15:39:02.102 9 ERROR y\n"
    put(logs, "nova.log", line * MOST_LOOKED_AT + last)
    seen = logs.survey(BUILD, "nova.log")
    assert (seen.lines, seen.errors, seen.until) == (MOST_LOOKED_AT + 1, 0, MOST_LOOKED_AT)
    window = logs.lines(BUILD, "nova.log", Wanted(level=Level.ERROR), first=1, count=9)
    assert (window.lines, window.until) == ([], MOST_LOOKED_AT)
    window = logs.lines(BUILD, "nova.log", Wanted(level=Level.ERROR), first=MOST_LOOKED_AT + 1, count=9)
    assert (window.lines, window.until) == ([(MOST_LOOKED_AT + 1, last.decode().rstrip())], None)


def test_a_survey_is_made_anew_when_the_file_has_changed(logs: LogFiles) -> None:
    line = b"2026-11-21 15:39:02.101 9 ERROR y\n"
    put(logs, "n-cpu.log", line)
    first = logs.survey(BUILD, "n-cpu.log")
    assert logs.survey(BUILD, "n-cpu.log") is first
    put(logs, "n-cpu.log", line * 2)
    assert logs.survey(BUILD, "n-cpu.log").errors == 2


def test_what_libxl_says_in_any_case_is_an_error(logs: LogFiles) -> None:
    head = "2026-11-21 15:39:01.990+0000: libxl: "
    put(logs, "libxl.log", f"{head}Error: x\n{head}all well\n{head}Timed out\n{head}returned rc=-3\n".encode())
    seen = logs.survey(BUILD, "libxl.log")
    assert (seen.lines, seen.errors, seen.first_error) == (4, 3, 1)


@given(
    st.lists(st.sampled_from([b"an ERROR b", b"quiet", b"", b" ERROR ERROR ", b"x" * 70, b"error", b"w"]), max_size=40),
    st.booleans(),
    st.booleans(),
    st.integers(1, 200),
)
def test_lines_with_words_are_those_of_a_plain_reading(
    lines: list[bytes], ends: bool, any_case: bool, block: int
) -> None:
    data = b"\n".join(lines) + (b"\n" if ends and lines else b"")
    words = (b"error", b"w") if any_case else (b" ERROR ", b"w")
    plain = [
        (number, line + (b"\n" if number < len(lines) or ends else b""))
        for number, line in enumerate(lines, 1)
        if any(word in (line.lower() if any_case else line) for word in words)
    ]
    with mock.patch("xenci.dashboard.logseek._BLOCK", block):
        assert list(lines_with(BytesIO(data), words, 1, any_case=any_case)) == plain


def test_of_a_line_that_is_longer_than_a_block_the_beginning_counts() -> None:
    data = b"a w\n" + b"x" * 300 + b" w" + b"y" * 300 + b"\nw\n"
    with mock.patch("xenci.dashboard.logseek._BLOCK", 16), mock.patch("xenci.dashboard.logseek.LONG", 16):
        assert [number for number, _ in lines_with(BytesIO(data), (b"w",), 1)] == [1, 3]
