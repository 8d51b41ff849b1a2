"""Opens the database that the configuration names, starting the embedded one if there is no URL."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from xenci.config.models import Settings
from xenci.errors import ConfigError, Temporary
from xenci.store.embedded import Cluster

#: a machine that is gone without a word is noticed within six seconds: its locks end with its connections
_OPTIONS = (
    "-c timezone=UTC -c idle_in_transaction_session_timeout=120000"
    " -c tcp_keepalives_idle=3 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=3"
)


class DatabaseDown(Temporary):
    """PostgreSQL does not answer."""


class Database:
    """The engine and its sessions; one for each process."""

    def __init__(self, url: str, *, pool: int = 10) -> None:
        self.url = url
        self.engine: Engine = create_engine(
            url,
            pool_size=pool,
            max_overflow=20,
            pool_pre_ping=True,
            connect_args={"options": _OPTIONS},
        )
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A transaction: committed at the end, rolled back on an error."""
        with self._sessions.begin() as session:
            yield session

    def ping(self) -> None:
        """Raise DatabaseDown if PostgreSQL does not answer."""
        try:
            with self.engine.connect() as connection:
                connection.execute(text("select 1"))
        except OperationalError as error:
            raise DatabaseDown(str(error.orig), remedy="start PostgreSQL, or look at the URL") from error

    def dispose(self) -> None:
        self.engine.dispose()

    @property
    def libpq_url(self) -> str:
        """The same address as psycopg and Procrastinate want it."""
        return self.url.replace("postgresql+psycopg://", "postgresql://", 1)


def cluster_of(settings: Settings) -> Cluster | None:
    """Return the embedded cluster of this configuration, or None if it names a URL."""
    if os.environ.get(settings.database.url_env):
        return None
    return Cluster(settings.database.folder or settings.state_dir / "database")


def open_database(settings: Settings) -> Database:
    """Open the database, starting the embedded cluster if that is what the configuration means.

    Raises ConfigError for a URL that is not PostgreSQL's, DatabaseDidNotStart, DatabaseDown.
    """
    cluster = cluster_of(settings)
    if cluster is not None:
        cluster.start()
        cluster.ensure_database("xenci")
        return Database(cluster.url("xenci"))
    url = os.environ[settings.database.url_env]
    for prefix in ("postgresql://", "postgres://"):
        url = url.replace(prefix, "postgresql+psycopg://", 1) if url.startswith(prefix) else url
    if not url.startswith("postgresql+psycopg://"):
        raise ConfigError(
            f"{settings.database.url_env} is no PostgreSQL URL", remedy="write postgresql://user:password@host/xenci"
        )
    try:
        database = Database(url)
    except (ArgumentError, ValueError) as error:
        raise ConfigError(
            f"{settings.database.url_env}: {error}", remedy="write postgresql://user:password@host:5432/xenci"
        ) from error
    database.ping()
    return database
