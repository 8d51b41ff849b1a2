"""What is answered where nothing can be shown: no database, a fault of ours, addresses that are wrong."""

import pytest
from fastapi.testclient import TestClient

from tests.browser.conftest import World
from tests.browser.reading import read
from xenci.clock import now
from xenci.dashboard import queries_builds
from xenci.dashboard.app import create_app
from xenci.dashboard.security import PAGE_POLICY
from xenci.store.database import Database


def test_without_a_database_pages_say_so_and_healthz_is_503(world: World) -> None:
    gone = Database("postgresql+psycopg://postgres@/xenci?host=/nonexistent")
    client = TestClient(create_app(world.settings, gone, now))
    assert client.get("/healthz").json()["reasons"] == ["the database does not answer"]
    for path in ("/", "/builds", "/health", "/api/builds"):
        answer = client.get(path)
        assert answer.status_code == 503, path
        assert "The database does not answer" in answer.text
        assert answer.headers["content-security-policy"] == PAGE_POLICY


def test_a_fault_of_ours_is_told_with_an_id_and_without_its_inside(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(queries_builds, "list_builds", broken)
    client = TestClient(world.app, raise_server_exceptions=False)
    answer = client.get("/builds")
    assert answer.status_code == 500
    assert "Error id" in answer.text
    assert "secret inside" not in answer.text
    assert answer.headers["content-security-policy"] == PAGE_POLICY
    assert set(client.get("/api/builds").json()) == {"error", "detail", "remedy", "id"}


@pytest.mark.parametrize(
    "path", ["/build/none", "/change/9", "/buildset/x", "/log/x/y", "/artifact/x/y", "/criterion/B1/99"]
)
def test_what_is_not_there_is_404_with_a_way_out(world: World, path: str) -> None:
    page = read(world, path, 404)
    assert "/builds" in page.links
    assert world.client.get("/api/build/none").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/change/9999999999",
        "/build/%00",
        "/buildset/%00",
        "/node/%00",
        "/builds?q=%00",
        "/test?id=%00",
        "/trends?job=%00",
    ],
)
def test_an_address_that_no_row_can_have_is_not_there(world: World, path: str) -> None:
    page = read(world, path, 404)
    assert "It is not there." in page.words
    assert "Error id" not in page.words
    assert world.client.get("/api/change/9999999999").status_code == 404


@pytest.mark.parametrize("path", ["/change/abc", "/builds?before=x", f"/builds?q={'x' * 999}", "/test"])
def test_an_address_that_cannot_be_read_is_told_on_a_page(world: World, path: str) -> None:
    page = read(world, path, 422)
    assert "This address cannot be read." in page.words
    assert "/builds" in page.links


def test_an_address_that_cannot_be_read_is_told_as_json_by_the_api(world: World) -> None:
    answer = world.client.get("/api/change/abc")
    assert answer.status_code == 422
    assert "number: " in answer.json()["detail"]
