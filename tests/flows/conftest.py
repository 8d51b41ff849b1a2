"""A world for each test."""

from pathlib import Path

import pytest

from tests.flows.town import Town
from tests.flows.world import World
from xenci.store.database import Database


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return World(database, tmp_path)


@pytest.fixture
def town(world: World) -> Town:
    return Town(world)
