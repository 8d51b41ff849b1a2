"""What it takes to look through a cloud with 500 servers: the fake one, so that it is our own time that is measured."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from tests.contracts.fake_cloud import FakeCloud
from tests.pool_settings import make_settings
from xenci.model.leftover import Kind
from xenci.model.node import NodeState
from xenci.rules.nodes import metadata_of, server_name
from xenci.services.context import Context
from xenci.services.node_rows import live_nodes
from xenci.services.survey import survey
from xenci.services.sweep import EVERY
from xenci.store.database import Database
from xenci.store.tables import NodeRow

SERVERS = 500


def prepared(database: Database, folder: Path) -> Callable[[], None]:
    """Return what surveys and sweeps the cloud once; it has a row for each server."""
    at = [datetime(2026, 3, 1, 12, tzinfo=UTC)]
    cloud = FakeCloud(clock=lambda: at[0])
    cloud.quota = None
    nothing = cast(Any, None)
    ctx = Context(
        settings=make_settings(folder),
        database=database,
        clock=lambda: at[0],
        gerrit=nothing,
        providers={"ca": cloud},
        connect=nothing,
        mirrors=nothing,
        artifacts=nothing,
        public_key="ssh-ed25519 AAAA",
    )
    with database.session() as session:
        for number in range(1, SERVERS + 1):
            name = server_name("test", number)
            server = cloud.put(name, metadata_of(name, at[0], "small") | {"xenci_system": "test"})
            cloud.hold(Kind.PORT, f"port {number}", system=None, server_id=server.id)
            times = {"created_at": at[0], "state_at": at[0], "active_at": at[0]}
            common = {"label": "small", "provider": "ca", "state": NodeState.READY}
            session.add(NodeRow(name=name, server_id=server.id, **common, **times))
    cloud.settle()

    def run() -> None:
        at[0] += EVERY + timedelta(seconds=1)
        before = cloud.calls.count("leftovers")
        survey(ctx, "ca")
        assert cloud.calls.count("leftovers") == before + 1

    return run


def read(database: Database) -> None:
    """Read what has to be read at least."""
    with database.session() as session:
        assert len(live_nodes(session, "ca")) == SERVERS
