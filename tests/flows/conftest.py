"""A world for each test."""

from pathlib import Path

import pytest

from tests.flows.world import World
from xenci.store.database import Database


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return World(database, tmp_path)
