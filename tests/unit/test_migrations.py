"""The migrations make the tables that the program knows, and each can be taken back."""

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from xenci.store import schema
from xenci.store.database import Database
from xenci.store.tables import Base

pytestmark = pytest.mark.own_database


def _differences(database: Database) -> list[object]:
    def is_ours(name: str | None, kind: str, _parent: object) -> bool:
        return not (kind == "table" and (name or "").startswith("procrastinate"))

    with database.engine.connect() as connection:
        options = {"include_name": is_ours, "compare_server_default": True, "compare_type": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata))


def test_the_migrations_make_the_tables_that_the_program_knows(database: Database) -> None:
    assert _differences(database) == []


def test_the_last_migration_can_be_taken_back(database: Database) -> None:
    with database.engine.begin() as connection:
        command.downgrade(schema._config(connection), "-1")
    assert _differences(database) != []
    schema.upgrade(database)
    assert _differences(database) == []
