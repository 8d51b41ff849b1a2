"""Brings a database to the schema of this version: Alembic's migrations, and Procrastinate's own tables.

Several processes may start at once: an advisory lock lets one migrate while the others wait.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from xenci.errors import Permanent
from xenci.store.database import Database

_LOCK = 0x78656E6369


class WrongSchema(Permanent):
    """The database has another schema than this version of xenci wants."""


def migrations_dir() -> Path:
    """Return the folder of the migrations, beside the package."""
    return Path(__file__).resolve().parents[2] / "migrations"


def upgrade(database: Database) -> str:
    """Upgrade to the newest schema; return its revision. Harmless if it is there."""
    with database.engine.begin() as connection:
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        command.upgrade(_config(connection), "head")
        _apply_queue(connection)
        return revision(connection) or ""


def revision(connection: Connection) -> str | None:
    """Return the revision that the database has, or None if it is empty."""
    return MigrationContext.configure(connection).get_current_revision()


def check(database: Database) -> None:
    """Raise WrongSchema if the database was not upgraded to this version."""
    with database.engine.connect() as connection:
        have = revision(connection)
    want = ScriptDirectory(str(migrations_dir())).get_current_head()
    if have != want:
        raise WrongSchema(f"it is at {have or 'nothing'}, wanted is {want}", remedy="run xenci db upgrade")


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations_dir()))
    config.attributes["connection"] = connection
    return config


def _apply_queue(connection: Connection) -> None:
    """Make Procrastinate's tables if they are not there."""
    if connection.execute(text("select to_regclass('procrastinate_jobs')")).scalar() is None:
        from procrastinate.schema import SchemaManager

        driver = connection.connection.driver_connection
        if driver is None:
            raise WrongSchema("there is no connection to make the queue's tables on")
        driver.execute(SchemaManager.get_schema())
