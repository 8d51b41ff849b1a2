"""A seeded database with logs on disk, its application, and the same served on a port for a browser."""

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tests.browser.sample import Sample, sample_settings
from tests.browser.sample_history import fill
from xenci.clock import now
from xenci.config.models import Settings
from xenci.dashboard.app import create_app
from xenci.services.hand import OperatorsHand
from xenci.store.database import Database
from xenci.store.embedded import Cluster


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What the tests of the pages look at."""

    settings: Settings
    database: Database
    app: FastAPI
    sample: Sample
    client: TestClient

    def build(self, name: str) -> str:
        """Return the address of a build's page."""
        return f"/build/{self.sample.builds[name]}"


@pytest.fixture(scope="session")
def world(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A database with the sample's history."""
    folder = tmp_path_factory.mktemp("sample")
    cluster.sql("postgres", "create database sample template template")
    database = Database(cluster.url("sample"))
    sample = fill(database, folder / "artifacts", now())
    settings = sample_settings(folder)
    app = create_app(settings, database, now, OperatorsHand(settings, database))
    with TestClient(app) as client:
        yield World(settings=settings, database=database, app=app, sample=sample, client=client)
    database.dispose()


@pytest.fixture(scope="session")
def address(world: World) -> Iterator[str]:
    """The application on a port of the loopback."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(world.app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=lambda: server.run(sockets=[sock]), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    server.should_exit = True
    thread.join()
