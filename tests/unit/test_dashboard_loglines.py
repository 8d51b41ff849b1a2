"""Reading one line of a node's log."""

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenci.dashboard.loglines import Level, parse, source_of, time_of

RECORDED = Path(__file__).parents[1] / "data" / "logs" / "nova-on-xen417-end.log.gz"
AT = datetime(2026, 11, 21, 15, 39, 2, 101000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "source", "level"),
    [
        ("2026-11-21 15:39:02.101 899 ERROR nova.compute.manager [-] no", "nova", Level.ERROR),
        ("2026-11-21 15:39:02.101 899 CRITICAL nova [-] no", "nova", Level.ERROR),
        ("2026-11-21 15:39:02.101 899 WARNING nova [-] hm", "nova", Level.WARNING),
        ("2026-11-21 15:39:02.101 899 INFO nova [-] yes", "nova", Level.INFO),
        ("2026-11-21 15:39:02.101 899 DEBUG nova [-] an ERROR in the text", "nova", Level.DEBUG),
        ("2026-11-21 15:39:02.101+0000: 618: error : libxlDomainStart:1312 : no", "libvirtd", Level.ERROR),
        ("2026-11-21 15:39:02.101+0000: 618: warning : virX:1 : hm", "libvirtd", Level.WARNING),
        ("2026-11-21 15:39:02.101+0000: 618: info : libvirt version: 9.0.0", "libvirtd", Level.INFO),
        ("2026-11-21 15:39:02.101+0000: libxl: libxl_create.c:1: cannot create domain: -3", "libxl", Level.ERROR),
        ("2026-11-21 15:39:02.101+0000: libxl: libxl_create.c:1: Domain 2: create", "libxl", Level.DEBUG),
        ("2026-11-21 15:39:02.101+0000: libxl: cannot", None, Level.NONE),
    ],
)
def test_a_line_tells_its_time_and_level(line: str, source: str | None, level: Level) -> None:
    read = parse(line, source)
    assert (read.at, read.level) == (AT, level)
    assert not read.text.startswith("2026")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Traceback (most recent call last):",
        '  File "/opt/x.py", line 3',
        "2026-13-45 15:39:02.101 899 ERROR no such month",
        "2026-11-21 25:00:00.000 899 ERROR no such hour",
        "x 2026-11-21 15:39:02.101 899 ERROR not at the beginning",
    ],
)
def test_a_line_without_a_time_is_text(line: str) -> None:
    read = parse(line, "nova")
    assert read.at is None
    assert read.level is Level.NONE
    assert read.text == line


@given(st.text(max_size=300))
def test_no_line_breaks_the_reader(text: str) -> None:
    parse(text, "libxl")
    parse(f"2026-11-21 15:39:02.101 {text}", "nova")
    parse(f"2026-11-21 15:39:02.101+0000: {text}", "libvirtd")


def test_fractions_of_a_second_may_have_any_length() -> None:
    assert time_of("2026-11-21 15:39:02 x") == AT.replace(microsecond=0)
    assert time_of("2026-11-21T15:39:02,5 x") == AT.replace(microsecond=500000)
    assert time_of("2026-11-21 15:39:02.123456+0000: x") == AT.replace(microsecond=123456)


def test_a_recorded_log_of_nova_is_read_line_by_line() -> None:
    lines = gzip.decompress(RECORDED.read_bytes()).decode().splitlines()
    read = [parse(line, "nova") for line in lines]
    assert sum(1 for line in read if line.at is not None) == 593
    assert {line.level for line in read if line.at is not None} >= {Level.DEBUG, Level.INFO}
    times = [line.at for line in read if line.at is not None]
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("logs/nova.log", "nova"),
        ("nova-compute.txt", "nova"),
        ("logs/libvirtd.log", "libvirtd"),
        ("logs/libxl.log", "libxl"),
        ("var/log/libvirt/libxl/libxl-driver.log", "libxl"),
        ("libvirt/log/libxl/instance-00000007.log", "libxl"),
        ("logs/tempest.log", "tempest"),
        ("xl-dmesg.txt", "xen"),
        ("console/nova-first.log", None),
        ("tempest/first.subunit", None),
        ("etc/nova.conf", None),
    ],
)
def test_a_file_is_known_by_its_name(name: str, source: str | None) -> None:
    assert source_of(name) == source
