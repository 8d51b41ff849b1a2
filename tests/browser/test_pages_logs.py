"""Logs and other files of builds: found, filtered, read in parts, and without rights in the browser."""

from contextlib import AbstractContextManager
from typing import BinaryIO

import pytest
from fastapi.testclient import TestClient

from tests.browser.conftest import World
from tests.browser.reading import Page, read
from tests.browser.sample_builds import BAD, HOSTILE
from xenci.clock import now
from xenci.dashboard import logfiles
from xenci.dashboard.app import create_app
from xenci.dashboard.logfiles import LogFiles
from xenci.dashboard.security import FILE_POLICY


@pytest.mark.parametrize("name", ["logs/nova.log", "tempest/first.subunit"])
def test_a_raw_file_is_text_without_rights(world: World, name: str) -> None:
    uuid = world.sample.builds["bad"]
    answer = world.client.get(f"/artifact/{uuid}/{name}")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-security-policy"] == FILE_POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == "inline"
    assert answer.content == (world.sample.artifacts_dir / uuid / name).read_bytes()
    assert name != "tempest/first.subunit" or answer.content == BAD.read_bytes()


def test_a_page_from_a_node_is_served_as_text(world: World) -> None:
    answer = world.client.get(f"/artifact/{world.sample.builds['hostile']}/page.html")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-security-policy"] == FILE_POLICY


@pytest.mark.parametrize(
    "name", ["../../pg/data/PG_VERSION", "..%2f..%2fpg%2fdata%2fPG_VERSION", "/etc/passwd", ".cut/x"]
)
def test_no_file_outside_a_build_is_served(world: World, name: str) -> None:
    uuid = world.sample.builds["bad"]
    assert world.client.get(f"/artifact/{uuid}/{name}").status_code == 404
    assert world.client.get(f"/log/{uuid}/{name}").status_code == 404


def test_hostile_text_stays_text(world: World) -> None:
    uuid = world.sample.builds["hostile"]
    for path in (
        f"/build/{uuid}",
        f"/build/{uuid}/tests",
        f"/log/{uuid}/logs/nova.log",
        "/builds",
        "/health",
        f"/change/{world.sample.changes['hostile']}",
    ):
        answer = world.client.get(path)
        assert "<script>document" not in answer.text, path
        assert "<img" not in answer.text, path
    assert HOSTILE in Page(world.client.get(f"/build/{uuid}").text).text
    assert "{{7*7}}" in world.client.get(f"/build/{uuid}").text


def test_the_log_page_filters_by_level_and_leads_to_lines(world: World) -> None:
    base = f"/log/{world.sample.builds['bad']}/logs/nova.log"
    page = read(world, f"{base}?level=E")
    assert "301 lines left out by the filter" in page.words
    assert "L302" in page.ids
    assert "L1" not in page.ids
    page = read(world, f"{base}?at=305")
    assert page.ids.count("L305") == 1
    assert "L284" not in page.ids
    assert "Nothing matches." in read(world, f"{base}?q=unicorn").words


def test_the_logs_form_works_as_a_browser_sends_it(world: World) -> None:
    base = f"/log/{world.sample.builds['bad']}/logs/nova.log"
    page = read(world, f"{base}?level=E&q=&at=&wrap=")
    assert "L302" in page.ids
    assert "L1" not in page.ids
    assert "L1" in read(world, f"{base}?level=&q=&at=+&wrap=no&first=").ids
    assert "L1" in read(world, f"{base}?at=here&first=there").ids


def test_a_log_with_too_many_lines_to_judge_is_looked_through_in_parts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logfiles, "MOST_LOOKED_AT", 2)
    client = TestClient(create_app(world.settings, world.database, now))
    base = f"/log/{world.sample.builds['bad']}/logs/nova.log"
    first = Page(client.get(f"{base}?level=E").text)
    assert "E 2 W 0 in lines 1 to 303; there are too many to look at all" in first.words
    assert "Only lines until 303 were looked at. Look further" in first.words
    (further,) = [link for link in first.links if "first=304" in link]
    assert "L304" in Page(client.get(further).text).ids
    nothing = Page(client.get(f"{base}?level=E&q=unicorn").text)
    assert "From line 1 to 303 no line at level E or above contains “unicorn”. Look further" in nothing.words


def test_no_connection_is_held_while_a_log_is_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    opened = LogFiles.open

    def watched(logs: LogFiles, build: str, name: str) -> AbstractContextManager[BinaryIO]:
        held.append(world.database.engine.pool.checkedout())  # type: ignore[attr-defined]
        return opened(logs, build, name)

    monkeypatch.setattr(LogFiles, "open", watched)
    read(world, f"/log/{world.sample.builds['bad']}/logs/nova.log")
    read(world, world.build("bad"))
    assert len(held) > 4
    assert set(held) == {0}


def test_a_long_log_is_read_in_windows(world: World) -> None:
    base = f"/log/{world.sample.builds['good']}/logs/nova.log"
    page = read(world, base)
    assert len([i for i in page.ids if i.startswith("L")]) == 500
    assert "Lines 1 to 500 of 4,000" in page.words
    assert "Lines 501 to 1,000 of 4,000" in read(world, f"{base}?first=501").words
    assert "Lines 3,501 to 4,000 of 4,000" in read(world, f"{base}?first=-1").words
    assert "Lines 3,980 to 4,000" in read(world, f"{base}?at=99999999").words
