"""The pool's loop on the lab's two real clouds: servers that answer SSH, one that vanishes, a cloud without room."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import select

from tests.pool_settings import LONG, make_settings
from xenci.clock import now
from xenci.config.models import Settings
from xenci.host.connection import connect
from xenci.host.port import Host
from xenci.lab.clouds import network
from xenci.lab.paths import LabPaths
from xenci.model.node import LaunchFailure, NodeState
from xenci.providers.registry import open_provider
from xenci.services.context import Context
from xenci.services.keys import ensure_node_key
from xenci.services.nodes import advance_node, request_delete
from xenci.services.pool import tick
from xenci.store.database import Database
from xenci.store.tables import NodeRow

pytestmark = pytest.mark.lab

SYSTEM = "pooltest"
MOVING = (NodeState.BUILDING, NodeState.TESTING, NodeState.USED, NodeState.DELETING)
#: longest wait on a machine that is slow and busy with other things; seconds
PATIENCE = 1200

#: what a process runs that is killed when the cloud has made the server and nobody knows it yet
KILLED = """
    import os, signal, sys
    from pathlib import Path
    from tests.lab.test_pool_lab import make_context
    from xenci.config.models import Settings
    from xenci.services.nodes import advance_node
    from xenci.services.pool import tick
    from xenci.store.database import Database
    from xenci.store.tables import NodeRow
    from sqlalchemy import select

    ctx = make_context(Settings.model_validate_json(sys.stdin.read()), Database(sys.argv[1]))
    for provider in ctx.providers.values():
        def create(create=provider.create, **values):
            create(**values)
            os.kill(os.getpid(), signal.SIGKILL)
        provider.create = create
    tick(ctx)
    with ctx.database.session() as session:
        node = session.scalars(select(NodeRow.id)).one()
    advance_node(ctx, node)
"""


def make_context(settings: Settings, database: Database) -> Context:
    """Return a context that has real clouds and real SSH, and nothing else."""
    key = ensure_node_key(settings.node_key)
    nothing = cast(Any, None)

    def open_host(address: str, user: str, host_key: str, port: int) -> Host:
        return connect(address, user=user, key=settings.node_key, host_key=host_key, port=port)

    return Context(
        settings=settings,
        database=database,
        clock=now,
        gerrit=nothing,
        providers={p.name: open_provider(p, system=settings.system) for p in settings.providers},
        connect=open_host,
        mirrors=nothing,
        artifacts=nothing,
        public_key=key,
    )


def rows(ctx: Context, *states: NodeState) -> list[NodeRow]:
    with ctx.database.session() as session:
        found = session.scalars(select(NodeRow).order_by(NodeRow.id)).all()
    return [row for row in found if not states or row.state in states]


def turn_until(ctx: Context, condition: Callable[[], bool], *, seconds: float = PATIENCE) -> None:
    """Turn the loop as the workers do, until a condition holds."""
    end = time.monotonic() + seconds
    with ThreadPoolExecutor(8) as pool:
        while not condition():
            assert time.monotonic() < end, [(row.name, row.state, row.reason) for row in rows(ctx)]
            tick(ctx)
            list(pool.map(lambda row: advance_node(ctx, row.id), rows(ctx, *MOVING)))
            time.sleep(0.5)


Make = Callable[..., Context]


@pytest.fixture
def make(lab: LabPaths, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes the context of a test; afterwards no server of it is left."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(lab.clouds_yaml))
    made: list[Context] = []

    def make_one(**label: Any) -> Context:
        clouds = {"ca": "ca-demo", "cb": "cb-demo"}
        label = {"deadlines": LONG, "ssh_port": network.ssh_port(lab)} | label
        settings = make_settings(tmp_path, clouds=clouds, system=SYSTEM, **label)
        made.append(make_context(settings, database))
        clear(made[0])
        return made[0]

    yield make_one
    for ctx in made:
        ctx.hosts.close()
        clear(ctx)


def clear(ctx: Context) -> None:
    end = time.monotonic() + PATIENCE
    for provider in ctx.providers.values():
        while servers := provider.list():
            assert time.monotonic() < end, servers
            for server in servers:
                provider.delete(server.id)
            time.sleep(0.5)


def test_nodes_come_up_on_both_clouds_and_one_that_vanishes_is_replaced(make: Make, lab: LabPaths) -> None:
    ctx = make(min_ready=2)
    turn_until(ctx, lambda: len(rows(ctx, NodeState.READY)) == 2)
    first, second = rows(ctx)
    assert {first.provider, second.provider} == {"ca", "cb"}
    assert first.host_key != second.host_key
    assert first.facts["kernel"]

    foreign = open_provider(ctx.settings.provider("ca"), system="somebody-else")
    metadata = {"xenci_node": first.name, "lab_fault": "spawn"}
    theirs = foreign.create(
        name=first.name, image="standin", flavor="small", public_key=ctx.public_key, metadata=metadata
    )
    try:
        ctx.providers[first.provider].delete(first.server_id or "")
        turn_until(ctx, lambda: len(rows(ctx)) == 3 and len(rows(ctx, NodeState.READY)) == 2)
        lost = rows(ctx)[0]
        assert (lost.id, lost.state) == (first.id, NodeState.DELETED)
        assert "vanished" in lost.reason

        for row in rows(ctx, NodeState.READY):
            request_delete(ctx, row.id, "the test ends")
        gone = ctx.settings.labels[0].model_copy(update={"min_ready": 0})
        ctx.settings = ctx.settings.model_copy(update={"labels": (gone,)})
        turn_until(ctx, lambda: len(rows(ctx, NodeState.DELETED)) == 3)
        assert not any(provider.list() for provider in ctx.providers.values())
        assert [server.id for server in foreign.list()] == [theirs.id], "nobody else's server is touched"
    finally:
        foreign.delete(theirs.id)


def test_a_cloud_without_room_is_passed_over_and_its_words_are_kept(make: Make) -> None:
    ctx = make(min_ready=1)
    first, second = ctx.settings.providers
    full = first.labels[0].model_copy(update={"flavor": "xen-huge"})
    ctx.settings = ctx.settings.model_copy(update={"providers": (first.model_copy(update={"labels": (full,)}), second)})
    turn_until(ctx, lambda: bool(rows(ctx, NodeState.READY)))
    failed, ready = rows(ctx)
    assert (failed.provider, failed.failure) == ("ca", LaunchFailure.CAPACITY)
    assert "No valid host" in failed.reason
    assert ready.provider == "cb"
    turn_until(ctx, lambda: bool(rows(ctx, NodeState.DELETED)))
    assert ctx.providers["ca"].list() == []


def test_killed_between_row_and_server_the_server_is_found_again(make: Make) -> None:
    ctx = make(min_ready=1)
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), ctx.database.url],
        input=ctx.settings.model_dump_json(),
        text=True,
        cwd=Path(__file__).parents[2],
        env=dict(os.environ),
        timeout=PATIENCE,
    )
    assert killed.returncode == -signal.SIGKILL
    (row,) = rows(ctx)
    assert (row.state, row.server_id) == (NodeState.BUILDING, None)
    (server,) = ctx.providers[row.provider].list()
    turn_until(ctx, lambda: bool(rows(ctx, NodeState.READY)))
    (ready,) = rows(ctx)
    assert ready.server_id == server.id
    assert [one.id for one in ctx.providers[row.provider].list()] == [server.id]
