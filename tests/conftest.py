"""A PostgreSQL for the tests that need one: a cluster of its own for the run, a fresh database for each test."""

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from xenci.store import schema
from xenci.store.database import Database
from xenci.store.embedded import Cluster

_NUMBERS = itertools.count(1)


@pytest.fixture(autouse=True)
def plain_log() -> Iterator[None]:
    """Undo what a command of the test did to the log: it wrote to a stream that is closed by now."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster whose database `template` has our schema. Nothing of it waits for the disk."""
    # not below pytest's own folder, which nobody else may enter: PostgreSQL runs as nobody when we are root
    folder = Path(tempfile.mkdtemp(prefix="xenci-test-", dir="/var/tmp"))
    one = Cluster(folder, durable=False)
    try:
        one.start()
        one.ensure_database("template")
        database = Database(one.url("template"))
        schema.upgrade(database)
        database.dispose()
        yield one
    finally:
        one.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database(cluster: Cluster) -> Iterator[Database]:
    """A fresh database with our schema."""
    name = f"test{next(_NUMBERS)}"
    cluster.sql("postgres", f"create database {name} template template")
    one = Database(cluster.url(name))
    yield one
    one.dispose()
    cluster.sql("postgres", f"drop database {name} with (force)")
