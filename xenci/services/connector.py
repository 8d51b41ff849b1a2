"""How Procrastinate's worker speaks to PostgreSQL: with few wake-ups, as most of the time nothing happens."""

from typing import Any

import procrastinate
import psycopg
import psycopg_pool

#: seconds between two looks for an interrupt while the server is silent; psycopg's own are ten a second
_INTERVAL = 5.0


def connector(conninfo: str) -> procrastinate.PsycopgConnector:
    """Return the connector to the database of this libpq URL; it connects when it is opened."""
    return procrastinate.PsycopgConnector(conninfo=conninfo, pool_factory=_pool, min_size=1, max_size=5)


def _pool(**options: Any) -> psycopg_pool.AsyncConnectionPool:
    """Return a pool that does not try each connection before its use: a dead one ends the worker, which begins anew."""
    return psycopg_pool.AsyncConnectionPool(**options | {"check": None, "connection_class": _Connection})


class _Connection(psycopg.AsyncConnection[Any]):
    """Sleeps while it waits; the event loop wakes it when the server speaks."""

    async def wait(self, gen: Any, interval: float = _INTERVAL, timeout: float | None = None) -> Any:
        return await super().wait(gen, interval, timeout)
