"""Which lines are chosen around a failure."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.browser.sample_builds import CAUSE, bad_logs
from xenci.artifacts.local import LocalStore
from xenci.dashboard import cause
from xenci.dashboard.logfiles import LogFiles
from xenci.dashboard.loglines import Level
from xenci.dashboard.site import make_templates
from xenci.store.tables import BuildRow

BUILD = "0" * 32
FAILED_AT = datetime(2026, 11, 21, 15, 41, 5, 486184, tzinfo=UTC)
BEFORE = datetime(2026, 11, 21, 15, 37, 27, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    store = LocalStore(tmp_path)
    for name, content in bad_logs().items():
        store.put(BUILD, name, content)
    return store


def find(store: LocalStore, span: tuple[datetime, datetime]) -> cause.Cause:
    return cause.find(LogFiles(store), BUILD, [one.name for one in store.list(BUILD)], span)


def test_the_words_of_libvirt_libxl_and_nova_are_found_and_merged_by_time(store: LocalStore) -> None:
    found = find(store, cause.span_of(FAILED_AT, FAILED_AT, BEFORE))
    assert [line.source for line in found.lines[:3]] == ["libvirtd", "libxl", "libvirtd"]
    assert CAUSE in found.lines[0].text
    assert "cannot create domain" in found.lines[1].text
    assert any(line.source == "nova" and "Instance failed to spawn" in line.text for line in found.lines)
    times = [line.at for line in found.lines]
    assert times == sorted(times)
    assert found.missing == ()


def test_of_a_traceback_the_ends_are_shown_and_not_its_inside(store: LocalStore) -> None:
    found = find(store, cause.span_of(FAILED_AT, FAILED_AT, BEFORE))
    assert not any("File " in line.text or "^^^" in line.text or "Traceback" in line.text for line in found.lines)


def test_every_line_leads_to_its_place_in_the_whole_log(store: LocalStore) -> None:
    found = find(store, cause.span_of(FAILED_AT, FAILED_AT, BEFORE))
    for line in found.lines:
        whole = store.read(BUILD, line.name).decode().splitlines()[line.number - 1]
        assert line.text.split(" ", 1)[-1][:40] in whole


def test_a_source_without_a_log_is_named(store: LocalStore) -> None:
    found = cause.find(
        LogFiles(store), BUILD, ["logs/nova.log", "logs/libvirtd.log", "logs/gone-libxl.log"], (BEFORE, FAILED_AT)
    )
    assert found.missing == ("libxl",)


def test_a_log_that_was_followed_and_then_collected_is_read_once(store: LocalStore) -> None:
    span = cause.span_of(FAILED_AT, FAILED_AT, BEFORE)
    followed = find(store, span)
    store.put(BUILD, "libvirt/log/libvirtd.log", store.read(BUILD, "logs/libvirtd.log"))
    both = find(store, span)
    assert [(line.text, line.times) for line in both.lines] == [(line.text, line.times) for line in followed.lines]
    assert {line.name for line in both.lines if line.source == "libvirtd"} == {"libvirt/log/libvirtd.log"}


def test_nothing_is_shown_of_another_time(store: LocalStore) -> None:
    early = FAILED_AT - timedelta(hours=3)
    assert find(store, (early, early + timedelta(minutes=5))).lines == ()


def test_a_class_that_could_not_be_set_up_is_looked_at_from_the_test_before() -> None:
    assert cause.span_of(FAILED_AT, FAILED_AT, BEFORE)[0] == BEFORE - timedelta(seconds=2)
    assert cause.span_of(None, FAILED_AT, BEFORE)[0] == BEFORE - timedelta(seconds=2)
    long_ago = BEFORE - timedelta(days=1)
    assert cause.span_of(None, FAILED_AT, long_ago)[0] == FAILED_AT - timedelta(minutes=15, seconds=2)
    began = FAILED_AT - timedelta(seconds=40)
    assert cause.span_of(began, FAILED_AT, BEFORE)[0] == began - timedelta(seconds=2)


def _line(number: int, source: str, level: Level, text: str) -> cause.Line:
    at = BEFORE + timedelta(seconds=number)
    return cause.Line(at=at, source=source, level=level, text=text, name=f"{source}.log", number=number)


def test_a_line_that_repeats_is_shown_once_with_its_number() -> None:
    lines = [_line(i, "nova", Level.ERROR, f"req-{i:08x} failed after {i} s") for i in range(30)]
    chosen = cause.choose(lines)
    assert [(line.number, line.times) for line in chosen] == [(0, 30)]


def test_a_quiet_source_is_not_drowned_by_a_loud_one() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    lines = [_line(i, "nova", Level.ERROR, f"nova {letters[i]}") for i in range(26)]
    lines += [_line(99, "libxl", Level.ERROR, "libxl says why"), _line(98, "libvirtd", Level.ERROR, "libvirt too")]
    chosen = cause.choose(lines)
    assert len(chosen) == 14
    assert {"libxl", "libvirtd"} <= {line.source for line in chosen}


def test_errors_come_before_warnings_when_there_is_no_room() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    lines = [_line(i, "nova", Level.WARNING, f"warn {letters[i]}") for i in range(26)]
    lines.append(_line(50, "nova", Level.ERROR, "the error"))
    assert "the error" in [line.text for line in cause.choose(lines, most=3)]
    assert len(cause.choose(lines, most=3)) == 3


def test_of_too_many_logs_some_are_read_and_the_others_are_counted(store: LocalStore) -> None:
    for i in range(cause._MOST_FILES):
        store.put(BUILD, f"logs/libxl/guest-{i:04}.log", b"2026-11-21 15:39:01.990+0000: libxl: all well\n")
    found = find(store, cause.span_of(FAILED_AT, FAILED_AT, BEFORE))
    assert found.left_out == 3
    assert found.missing == ()


def test_of_logs_that_are_too_long_the_later_ones_are_left_out(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cause, "_MOST_READ", 1000)
    line = b"2026-11-21 15:39:01.990 9 ERROR x\n"
    for name in "abcd":
        store.put(BUILD, f"logs/n-{name}.log", line * 400)
    found = find(store, cause.span_of(FAILED_AT, FAILED_AT, BEFORE))
    assert found.read < 1400
    assert found.left_out > 0


@pytest.mark.parametrize(
    ("state", "words"),
    [("done", "was collected here. Do not read silence as health."), ("running", "is here yet: it is collected at")],
)
def test_a_log_that_is_missing_is_told_of_by_whether_the_build_has_ended(state: str, words: str) -> None:
    found = cause.Cause(lines=(), read=0, missing=("libxl",), left_out=2, start=BEFORE, end=FAILED_AT)
    text = make_templates().get_template("lines.html").render(lines=found, build=BuildRow(state=state, uuid="u"))
    assert words in text
    assert "2 logs were not looked into" in text
