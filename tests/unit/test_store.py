"""The embedded PostgreSQL and the schema, as several programs meet them at once."""

import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.flows.world import make_settings
from xenci.cli.main import app
from xenci.store import schema
from xenci.store.database import Database
from xenci.store.embedded import Cluster
from xenci.store.schema import WrongSchema


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that nobody, whom PostgreSQL runs as, may enter; what runs there is stopped."""
    made = Path(tempfile.mkdtemp(prefix="xenci-test-", dir="/var/tmp"))
    made.chmod(0o755)
    yield made
    Cluster(made / "database").stop()
    shutil.rmtree(made)


def test_programs_that_start_it_at_once_share_one_server(folder: Path) -> None:
    clusters = [Cluster(folder / "database", durable=False) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(Cluster.start, clusters))
    assert len({one.pid for one in clusters}) == 1
    assert clusters[0].sql("postgres", "select 1") == "1"


def test_a_crash_leaves_nothing_that_keeps_it_from_starting(folder: Path) -> None:
    cluster = Cluster(folder / "database", durable=False)
    cluster.start()
    cluster.stop()
    (cluster.data / "postmaster.pid").write_text(f"1\n{cluster.data}\n0\n5432\n")
    assert cluster.pid is None
    cluster.start()
    assert cluster.sql("postgres", "select 1") == "1"


@pytest.mark.own_database
def test_a_database_of_another_version_is_told_with_the_remedy(database: Database) -> None:
    schema.check(database)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("update alembic_version set version_num = 'old'")
    with pytest.raises(WrongSchema, match="it is at old") as caught:
        schema.check(database)
    assert "xenci db upgrade" in caught.value.remedy


def test_a_command_on_a_database_that_nobody_made_ready_is_one_sentence(folder: Path) -> None:
    config = folder / "xenci.yaml"
    config.write_text(make_settings(folder).model_dump_json(exclude_defaults=True))
    told = CliRunner().invoke(app, ["build", "list", "--config", str(config)])
    assert isinstance(told.exception, WrongSchema)
