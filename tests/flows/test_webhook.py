"""Alarms told to an address outside: each once, and nobody waits for that address."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from sqlalchemy import select

from tests.flows.world import World
from xenci.services.webhook import WebhookFailed, tell_alarms
from xenci.store.marks import raise_alarm
from xenci.store.tables import AlarmRow

pytestmark = pytest.mark.own_database


class Outside(HTTPServer):
    """An address that takes alarms, or does not; what it heard is in `keys`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.keys: list[str] = []
        self.refused: set[str] = set()
        #: called within each request
        self.within: Callable[[], None] = lambda: None


class _Handler(BaseHTTPRequestHandler):
    server: Outside

    def do_POST(self) -> None:
        key = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["key"]
        self.server.keys.append(key)
        self.server.within()
        self.send_response(500 if key in self.server.refused else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def outside(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outside]:
    server = Outside()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    monkeypatch.setenv(world.ctx.settings.alarms.webhook_url_env, f"http://127.0.0.1:{server.server_port}/")
    with world.database.session() as session:
        for key in ("disk", "carry:x", "gerrit:rest"):
            raise_alarm(session, key, brief=key, at=world.now)
    yield server
    server.shutdown()
    server.server_close()


def untold(world: World) -> list[str]:
    with world.database.session() as session:
        rows = session.scalars(select(AlarmRow).where(AlarmRow.told_at.is_(None)).order_by(AlarmRow.id))
        return [row.key for row in rows]


def test_each_alarm_is_told_once_though_a_later_one_is_refused(world: World, outside: Outside) -> None:
    outside.refused.add("gerrit:rest")
    with pytest.raises(WebhookFailed):
        tell_alarms(world.ctx)
    assert untold(world) == ["gerrit:rest"]
    outside.refused.clear()
    tell_alarms(world.ctx)
    tell_alarms(world.ctx)
    assert outside.keys == ["disk", "carry:x", "gerrit:rest", "gerrit:rest"]
    assert untold(world) == []


def test_no_row_is_locked_while_the_address_thinks(world: World, outside: Outside) -> None:
    free: list[int] = []

    def within() -> None:
        with world.database.session() as session:
            free.append(len(session.scalars(select(AlarmRow).with_for_update(skip_locked=True)).all()))

    outside.within = within
    tell_alarms(world.ctx)
    assert free == [3, 3, 3]


def test_without_an_address_they_count_as_told(world: World, outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(world.ctx.settings.alarms.webhook_url_env)
    tell_alarms(world.ctx)
    assert (outside.keys, untold(world)) == ([], [])
