"""The pool on the lab's real machines: ten at once on each cloud, one that is held, a cloud that fails for a while."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import paramiko
import pytest

from tests.lab.pooling import (
    counting_context,
    errors,
    forget_key,
    give_up_all,
    left,
    pool_settings,
    ready,
    reopen,
    through,
    want,
)
from tests.lab.test_pool_lab import clear, rows, turn_until
from tests.lab.wire import Mode, Wire
from xenci.clock import now
from xenci.host.keys import host_keys_of_console
from xenci.lab import clouds
from xenci.lab.clouds.layout import PORTS
from xenci.lab.paths import CLOUDS, LabPaths
from xenci.model.node import LaunchFailure, NodeState
from xenci.model.pool import Terms, Wish
from xenci.rules.breaker import PAUSE
from xenci.rules.leaks import keypair_name
from xenci.services.context import Context
from xenci.services.holds import hold_by_hand, release_by_hand
from xenci.services.nodes import advance_node
from xenci.store.database import Database
from xenci.store.marks import open_alarms
from xenci.store.tables import NodeRow

pytestmark = pytest.mark.lab

SYSTEM = "machines"
#: machines on each cloud at once
TEN = 10


@pytest.fixture
def service(request: pytest.FixtureRequest) -> str:
    """The service of cloud `ca` whose way can be cut: Nova, if the test does not name another."""
    return str(getattr(request, "param", "nova"))


@pytest.fixture
def wire(lab: LabPaths, service: str) -> Iterator[Wire]:
    """The way to a service of cloud `ca`."""
    one = Wire(target=lab.cloud_port("ca") + PORTS[service])
    one.start()
    yield one
    one.stop()


Make = Callable[..., Context]


@pytest.fixture
def make(
    lab: LabPaths, wire: Wire, service: str, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Make]:
    """Makes the context of a test; afterwards nothing of its servers is left, or the test has failed."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(through(lab, tmp_path, service=service, ca=wire.port)))
    made: list[Context] = []
    before: dict[str, list[str]] = {}

    def make_one(*, factor: int = 1, **wanted: Any) -> Context:
        made.append(counting_context(pool_settings(lab, tmp_path, system=SYSTEM, **wanted), database, factor=factor))
        clear(made[-1])
        before.update(left(lab))
        return made[-1]

    yield make_one
    for ctx in made:
        give_up_all(ctx)
        ctx.hosts.close()
        assert not clouds.running_machines(lab)
        forget_key(lab, keypair_name(SYSTEM, ctx.public_key))
        assert not [one for cloud, things in left(lab).items() for one in things if one not in before[cloud]]


def way_in(row: NodeRow, port: int, key: paramiko.PKey) -> bool:
    """Tell whether the node of a row lets in who has a key; nobody but that machine is asked."""
    with paramiko.Transport((row.address or "", port)) as transport:
        transport.start_client(timeout=60)
        server = transport.get_remote_server_key()
        assert f"{server.get_name()} {server.get_base64()}" == row.host_key
        try:
            transport.auth_publickey("root", key)
        except paramiko.AuthenticationException:
            return False
        return True


def test_ten_machines_at_once_on_each_cloud_answer_and_one_is_held_for_its_owner(
    make: Make, wire: Wire, lab: LabPaths
) -> None:
    ctx = make(min_ready=2 * TEN, max_nodes=2 * TEN)
    turn_until(ctx, lambda: ready(ctx).total() == 2 * TEN)
    assert ready(ctx) == dict.fromkeys(CLOUDS, TEN)
    found = rows(ctx)
    assert len(found) == 2 * TEN, "each came up at the first attempt"
    assert len({row.host_key for row in found}) == 2 * TEN, "and is a machine of its own"
    assert {row.facts["hypervisor"] for row in found} == {"none"}
    assert {machine.server for machine in clouds.running_machines(lab)} == {row.server_id for row in found}

    node = next(row for row in found if row.provider == "ca")
    assert host_keys_of_console(ctx.providers["ca"].console(node.server_id or ""))[0] == node.host_key
    port = ctx.settings.labels[0].ssh_port
    owner = paramiko.ECDSAKey.generate()
    wish = Wish(who="test", reason="to look around", at=now())
    terms = Terms(
        owner="ann",
        reason="to look around",
        length=timedelta(hours=1),
        public_key=f"{owner.get_name()} {owner.get_base64()}",
    )
    assert not way_in(node, port, owner)
    with ctx.database.session() as session:
        assert "is held for ann" in hold_by_hand(session, session.get_one(NodeRow, node.id), terms, wish)
    advance_node(ctx, node.id)
    assert way_in(node, port, owner)
    with ctx.database.session() as session:
        release_by_hand(session, session.get_one(NodeRow, node.id), wish)
    # the cloud does not take the deletion just now, so the machine is there to be asked
    with wire.as_("refused"):
        advance_node(ctx, node.id)
    assert not way_in(node, port, owner)
    assert [row.state for row in rows(ctx) if row.id == node.id] == [NodeState.DELETING]


def test_servers_that_end_in_error_are_taken_away_and_the_other_cloud_takes_the_load(make: Make) -> None:
    ctx = make(factor=60, min_ready=1, max_nodes=4)
    good = ctx.settings.providers
    broken = good[0].labels[0].model_copy(update={"image": "standin-broken"})
    ctx.settings = ctx.settings.model_copy(
        update={"providers": (good[0].model_copy(update={"labels": (broken,)}), good[1])}
    )
    turn_until(ctx, lambda: ready(ctx) == {"cb": 1})
    failed = rows(ctx)[0]
    assert (failed.provider, failed.failure) == ("ca", LaunchFailure.BOOT)
    assert "lab_fault=spawn" in failed.reason
    turn_until(ctx, lambda: rows(ctx)[0].state == NodeState.DELETED)
    assert ctx.providers["ca"].list() == []
    ctx.settings = ctx.settings.model_copy(update={"providers": good})
    # after a failure the other cloud is preferred for a while
    turn_until(ctx, lambda: failed.failed_at is not None and ctx.clock() > failed.failed_at + PAUSE)
    want(ctx, min_ready=2)
    turn_until(ctx, lambda: ready(ctx).total() == 2 and ready(ctx)["ca"] == 1)


@pytest.mark.parametrize("fault", ["error", "hung", "refused"])
def test_a_cloud_whose_api_fails_is_passed_over_until_it_answers(make: Make, wire: Wire, fault: Mode) -> None:
    ctx = make(factor=20, timeout=timedelta(seconds=2), min_ready=2, max_nodes=6)
    turn_until(ctx, lambda: len(rows(ctx)) == 2 and all(row.active_at for row in rows(ctx)))
    here, there = sorted(rows(ctx), key=lambda row: row.provider)
    with wire.as_(fault):
        want(ctx, min_ready=3)
        turn_until(ctx, lambda: ready(ctx)["cb"] == 2)
        assert {row.state for row in rows(ctx) if row.id == here.id} <= {NodeState.READY, NodeState.BUILDING}, (
            "its machine runs on: what does not answer is not lost"
        )
    want(ctx, min_ready=4)
    turn_until(ctx, lambda: ready(ctx)["cb"] >= 2 and ready(ctx)["ca"] >= 1 and ready(ctx).total() >= 4)
    assert {row.state for row in rows(ctx) if row.id in (here.id, there.id)} == {NodeState.READY}


@pytest.mark.parametrize("service", ["keystone", "glance", "neutron"], indirect=True)
def test_a_cloud_of_which_another_service_fails_is_passed_over_until_it_works(make: Make, wire: Wire) -> None:
    """Before anything is known of the cloud: no token, no image, no network."""
    ctx = make(factor=60, timeout=timedelta(seconds=2), max_nodes=4)
    reopen(ctx)
    with wire.as_("error"):
        want(ctx, min_ready=2)
        turn_until(ctx, lambda: ready(ctx) == {"cb": 2})
        assert errors(ctx, "ca")
        assert not [row for row in rows(ctx) if row.provider == "ca" and row.server_id]
    # after a failure the other cloud is preferred for a while
    failures = [row.failed_at for row in rows(ctx) if row.failed_at is not None]
    turn_until(ctx, lambda: all(ctx.clock() > at + PAUSE for at in failures))
    want(ctx, min_ready=4)
    turn_until(ctx, lambda: ready(ctx).total() == 4 and ready(ctx)["ca"] > 0)
    with ctx.database.session() as session:
        assert not open_alarms(session)
