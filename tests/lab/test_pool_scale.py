"""The pool on two clouds whose machines cost nothing: many servers at once, full quotas, a crash, strays and strangers.

Nova is real, its compute driver is its own fake one: a server becomes ACTIVE and nobody answers at its address. So a
launch is whole here when the pool has seen its server ACTIVE.
"""

import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.cloud_states import another_network, out_of_service, set_quota, without_compute, zones
from tests.lab.conftest import FOLDER, PORT
from tests.lab.pooling import (
    active,
    calls,
    connection,
    counting_context,
    forget_key,
    give_up_all,
    left,
    pool_settings,
    reopen,
    replace_clock,
    want,
)
from tests.lab.strangers import put_foreign, put_ours, remove, there
from tests.lab.test_pool_lab import PATIENCE, clear, rows, turn_until
from tests.pool_settings import LONG
from xenci.config.models import NodeDeadlines
from xenci.lab import clouds
from xenci.lab.paths import CLOUDS, LabPaths, cache_dir
from xenci.model.node import LaunchFailure, NodeState
from xenci.rules.breaker import PAUSE
from xenci.rules.leaks import keypair_name
from xenci.services.context import Context
from xenci.services.nodes import advance_node
from xenci.services.pool import tick
from xenci.services.survey import LIST_EVERY
from xenci.store.database import Database
from xenci.store.tables import NodeRow

pytestmark = pytest.mark.lab

SYSTEM = "scaletest"
#: servers on each cloud, of a quota of 30
MANY = 25
#: the key of a person of whom this host has nothing else
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDcR2PpLwXtTEWPfJW0QdSi8rwVWuHwtMiGO1eO0Pt5L"

#: what each of two processes runs that turn the pool's loop at once, node by node; one dies when its first is made
TURNING = """
    import os, signal, sys, time
    from tests.lab.test_pool_lab import MOVING, make_context, rows
    from xenci.config.models import Settings
    from xenci.services.nodes import advance_node
    from xenci.services.pool import tick
    from xenci.store.database import Database

    url, wanted, part = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    ctx = make_context(Settings.model_validate_json(sys.stdin.read()), Database(url))
    for provider in ctx.providers.values():
        provider.list()
        def create(create=provider.create, **values):
            create(**values)
            os.kill(os.getpid(), signal.SIGKILL)
        if part == "dies":
            provider.create = create
    # the one that dies has begun: else the other may have made all before
    while part == "stays" and not rows(ctx):
        time.sleep(0.05)
    while sum(row.active_at is not None for row in rows(ctx)) < wanted:
        tick(ctx)
        for row in sorted(rows(ctx, *MOVING), key=lambda row: row.id, reverse=part == "dies"):
            advance_node(ctx, row.id)
        time.sleep(0.2)
"""


@pytest.fixture(scope="module")
def fake() -> Iterator[LabPaths]:
    """Both clouds with Nova's fake driver, in a folder and on ports of their own beside the lab's."""
    paths = LabPaths(state=FOLDER.with_name(f"{FOLDER.name}-fake").resolve(), cache=cache_dir(), port=PORT + 500)
    clouds.stop(paths)
    shutil.rmtree(paths.state, ignore_errors=True)
    try:
        clouds.start(paths, driver="fake", quota=30)
        yield paths
    finally:
        clouds.stop(paths)


Make = Callable[..., Context]


@pytest.fixture
def make(fake: LabPaths, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes the context of a test; afterwards nothing of its servers is left, or the test has failed."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(fake.clouds_yaml))
    made: list[Context] = []

    def make_one(*, factor: int = 1, **wanted: Any) -> Context:
        made.append(counting_context(pool_settings(fake, tmp_path, system=SYSTEM, **wanted), database, factor=factor))
        clear(made[-1])
        return made[-1]

    yield make_one
    for ctx in made:
        give_up_all(ctx)
        forget_key(fake, keypair_name(SYSTEM, ctx.public_key))
        assert left(fake) == {cloud: [] for cloud in CLOUDS}


def failed(ctx: Context) -> list[NodeRow]:
    return [row for row in rows(ctx) if row.failure]


def test_many_servers_at_once_on_each_cloud_take_one_list_in_five_seconds(make: Make, fake: LabPaths) -> None:
    ctx = make(max_servers=MANY, min_ready=2 * MANY, max_nodes=2 * MANY)
    began = time.monotonic()
    turn_until(ctx, lambda: active(ctx).total() == 2 * MANY)
    turns = (time.monotonic() - began) / LIST_EVERY.total_seconds()
    assert active(ctx) == dict.fromkeys(CLOUDS, MANY)
    counted = calls(ctx)
    for cloud, provider in ctx.providers.items():
        # those that begin and end the time count beside those within
        assert 1 <= counted[cloud, "list", "GET servers/detail"] <= turns + 2
        assert counted[cloud, "create", "POST servers"] == MANY
        assert (cloud, "create", "GET servers/detail") not in counted, "nor is it listed before each create"
        servers = provider.list()
        assert [server.status for server in servers] == ["ACTIVE"] * MANY
        assert {one.id for one in servers} == {row.server_id for row in rows(ctx) if row.provider == cloud}
    assert not failed(ctx)
    give_up_all(ctx)
    key = keypair_name(SYSTEM, ctx.public_key)
    assert left(fake) == {cloud: [f"key pair {key}"] for cloud in CLOUDS}

    # another key takes the place of the one that opened these nodes: the old pair is nobody's then
    ctx.public_key = OTHER_KEY
    replace_clock(ctx, 60)
    turn_until(ctx, lambda: not any(left(fake).values()))


def test_a_server_has_a_port_on_each_network_and_is_reached_by_the_first(make: Make, fake: LabPaths) -> None:
    ctx = make(min_ready=2, max_nodes=2)
    # a name that an alphabet puts before the first one's
    name = "another"
    providers = tuple(one.model_copy(update={"more_networks": (name,)}) for one in ctx.settings.providers)
    ctx.settings = ctx.settings.model_copy(update={"providers": providers})
    reopen(ctx)
    with another_network(fake, name):
        turn_until(ctx, lambda: active(ctx).total() == 2)
        assert active(ctx) == dict.fromkeys(CLOUDS, 1)
        for row in rows(ctx):
            tenant = connection(fake.clouds_yaml, f"{row.provider}-demo")
            addresses = tenant.compute.get_server(row.server_id).addresses
            assert addresses.keys() == {"lab", name}
            assert addresses[name][0]["addr"].startswith("192.0.2.")
            assert [one["addr"] for one in addresses["lab"]] == [row.address]
            assert len(list(tenant.network.ports(device_id=row.server_id))) == 2
        give_up_all(ctx)
        # no port is left that would keep the network
        assert not [port for ports in left(fake).values() for port in ports if port.startswith("port ")]


def test_servers_are_spread_over_the_zones_and_a_zone_out_of_service_is_left_alone(make: Make, fake: LabPaths) -> None:
    ctx = make(factor=20, min_ready=6, max_nodes=12)
    with zones(ctx, fake, "ca") as where:
        turn_until(ctx, lambda: active(ctx).total() == 6)
        assert Counter(server.zone for server in ctx.providers["ca"].list()) == dict.fromkeys(where, 3)
        assert {row.server_id: row.zone for row in rows(ctx)} == {
            server.id: server.zone for server in ctx.providers["ca"].list()
        }

        with out_of_service(fake, "ca", where["zone-2"]):
            want(ctx, min_ready=9)
            turn_until(ctx, lambda: active(ctx).total() == 9)
        refused = failed(ctx)
        assert {(row.zone, row.failure) for row in refused} == {("zone-2", LaunchFailure.CAPACITY)}
        assert "availability zone is not available" in refused[0].reason
        assert Counter(server.zone for server in ctx.providers["ca"].list()) == {"zone-1": 6, "zone-2": 3}


def test_a_quota_that_fills_between_two_looks_means_wait(make: Make, fake: LabPaths) -> None:
    ctx = make(factor=60, max_servers=3, min_ready=2, max_nodes=5)
    tick(ctx)
    set_quota(fake, "ca", 0)
    try:
        for row in rows(ctx):
            advance_node(ctx, row.id)
        refused = failed(ctx)
        assert {(row.provider, row.failure, row.state) for row in refused} == {
            ("ca", LaunchFailure.QUOTA, NodeState.DELETED)
        }
        assert "Quota exceeded" in refused[0].reason
        turn_until(ctx, lambda: active(ctx) == {"cb": 2})
        count = len(rows(ctx))
        want(ctx, min_ready=5)
        # the other cloud takes what it may have; for the rest nobody asks a cloud that is full
        turn_until(ctx, lambda: active(ctx) == {"cb": 3})
        assert len(rows(ctx)) == count + 1
    finally:
        set_quota(fake, "ca", 30)
    turn_until(ctx, lambda: active(ctx) == {"ca": 2, "cb": 3})


def test_a_server_that_is_never_built_is_given_up_and_its_cloud_is_asked_again(make: Make, fake: LabPaths) -> None:
    # the other cloud's server is there well before the deadline, also on a slow machine
    ctx = make(factor=15, min_ready=2, max_nodes=8, deadlines=LONG | {"boot": "6m"})
    with without_compute(fake, "ca"):
        turn_until(ctx, lambda: active(ctx) == {"cb": 2})
        stuck = failed(ctx)
        assert {(row.provider, row.failure) for row in stuck} == {("ca", LaunchFailure.BOOT)}
        assert "the server is not ACTIVE after 360 s" in stuck[0].reason
        turn_until(ctx, lambda: all(row.state == NodeState.DELETED for row in failed(ctx)))
        assert ctx.providers["ca"].list() == []
    want(ctx, deadlines=NodeDeadlines.model_validate(LONG))
    # after a failure the other cloud is preferred for a while
    last = max(row.failed_at for row in failed(ctx) if row.failed_at is not None)
    turn_until(ctx, lambda: ctx.clock() > last + PAUSE)
    want(ctx, min_ready=6)
    turn_until(ctx, lambda: active(ctx).total() == 6 and active(ctx)["ca"] > 0)


def test_of_two_processes_one_is_killed_during_a_create_and_no_server_is_made_twice(make: Make) -> None:
    ctx = make(min_ready=6, max_nodes=6)
    settings = ctx.settings.model_dump_json()
    running = {}
    for part in ("dies", "stays"):
        command = [sys.executable, "-c", textwrap.dedent(TURNING), ctx.database.url, "6", part]
        there = {"cwd": Path(__file__).parents[2], "env": dict(os.environ)}
        running[part] = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, **there)
    for one in running.values():
        assert one.stdin is not None
        one.stdin.write(settings)
        one.stdin.close()
    try:
        assert running["stays"].wait(PATIENCE) == 0
        assert running["dies"].wait(PATIENCE) == -9
    finally:
        for one in running.values():
            one.kill()
    found = rows(ctx)
    assert [row.state for row in found] == [NodeState.BUILDING] * 6
    assert not failed(ctx)
    servers = {server.id: server.name for provider in ctx.providers.values() for server in provider.list()}
    assert servers == {row.server_id: row.name for row in found}


def test_strays_of_ours_are_swept_and_what_only_looks_like_ours_is_left_alone(make: Make, fake: LabPaths) -> None:
    ctx = make(factor=60, min_ready=1, max_nodes=1)
    tenant = connection(fake.clouds_yaml, "ca-demo")
    turn_until(ctx, lambda: active(ctx).total() == 1)
    ours, theirs = put_ours(ctx, tenant, key=OTHER_KEY), put_foreign(ctx, tenant, key=OTHER_KEY)
    turn_until(ctx, lambda: not ours & there(tenant))
    assert theirs <= there(tenant), "nobody else's is touched"
    assert active(ctx).total() == 1, "nor is what a row accounts for"
    remove(ctx, theirs)
    turn_until(ctx, lambda: not theirs & there(tenant))
