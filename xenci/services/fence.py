"""Lets one process at a time do a thing that talks to the outside, without holding a transaction open meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from xenci.store.database import Database


@contextmanager
def fenced(database: Database, kind: int, number: int) -> Iterator[bool]:
    """Give True to whoever is alone with this pair of 32-bit numbers, False at once to the others.

    It is PostgreSQL's advisory lock of a connection, so it ends with the process whatever becomes of it.
    """
    with database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        lock = {"kind": kind, "number": number}
        if not connection.execute(text("select pg_try_advisory_lock(:kind, :number)"), lock).scalar():
            yield False
            return
        try:
            yield True
        finally:
            connection.execute(text("select pg_advisory_unlock(:kind, :number)"), lock)
