"""What Prometheus reads of nodes, launches, circuits, quotas and holds agrees with the rows."""

from datetime import timedelta
from typing import Any

from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from tests.flows.world import World
from xenci.dashboard.app import create_app
from xenci.model.pool import OverrideKind, Wish
from xenci.rules.breaker import LIMIT
from xenci.store.overrides import put_override
from xenci.store.tables import HoldRow, NodeRow, ProviderRow

Read = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(world: World) -> Read:
    """Return every sample, by its name and labels."""
    with TestClient(create_app(world.ctx.settings, world.database, lambda: world.now)) as client:
        families = text_string_to_metric_families(client.get("/metrics").text)
        return {(s.name, frozenset(s.labels.items())): s.value for f in families for s in f.samples}


def value(found: Read, name: str, /, **labels: str) -> float | None:
    return found.get((f"xenci_{name}", frozenset(labels.items())))


def add(world: World, number: int, state: str, **more: Any) -> NodeRow:
    began = world.now - timedelta(hours=1)
    row = NodeRow(name=f"n{number}", label="xen", provider="ca", state=state, created_at=began, state_at=began, **more)
    with world.database.session() as session:
        session.add(row)
    return row


def test_an_empty_installation_has_figures_that_can_be_read(world: World) -> None:
    found = read(world)
    assert value(found, "holds") == 0
    assert value(found, "provider_servers_most", provider="ca") == world.ctx.settings.providers[0].max_servers
    assert value(found, "label_max_nodes", label="xen") == 4
    assert not [name for name, _ in found if name.startswith(("xenci_nodes", "xenci_launch", "xenci_breaker"))]


def test_launches_are_told_by_phase_and_failures_by_reason(world: World) -> None:
    began = world.now - timedelta(hours=1)
    times = {"active_at": began + timedelta(seconds=40), "ssh_at": began + timedelta(seconds=100)}
    for number, seconds in enumerate((110, 400)):
        add(world, number, "ready", **times, ready_at=began + timedelta(seconds=seconds))
    for number in range(LIMIT):
        ended = world.now - timedelta(minutes=1)
        add(world, 10 + number, "deleted", **times, failure="xen", failed_at=ended, reason="no hypervisor")
    found = read(world)
    assert value(found, "nodes", provider="ca", label="xen", state="ready") == 2
    assert value(found, "launch_failures_total", provider="ca", label="xen", reason="xen") == LIMIT
    assert value(found, "breaker_state", provider="ca", label="xen", reason="xen") == 2
    xen = {"phase": "xen", "provider": "ca", "label": "xen"}
    below = [value(found, "launch_seconds_bucket", **xen, le=le) for le in ("5", "15", "240", "480", "+Inf")]
    assert below == [0, 1, 1, 2, 2]
    assert value(found, "launch_seconds_sum", **xen) == 310
    assert value(found, "launch_seconds_count", **xen) == 2
    assert value(found, "launch_seconds_count", **(xen | {"phase": "boot"})) == 2 + LIMIT
    world.later(minutes=10)
    assert value(read(world), "breaker_state", provider="ca", label="xen", reason="xen") == 1


def test_quota_overrides_and_holds_are_told(world: World) -> None:
    held = add(world, 1, "hold")
    with world.database.session() as session:
        session.add(ProviderRow(name="ca", servers=3, quota=7))
        wish = Wish(who="ann", at=world.now)
        put_override(session, OverrideKind.DRAIN, "ca", 0, wish)
        put_override(session, OverrideKind.MIN_READY, "xen", 3, wish)
        for node, began in ((held, world.now), (None, None)):
            row = node or NodeRow(name="n2", label="xen", provider="ca", state="in-use")
            session.add(row)
            session.flush()
            session.add(HoldRow(node_id=row.id, owner="dana", reason="why", made_by="ann", seconds=60, began_at=began))
    found = read(world)
    assert value(found, "quota_servers", provider="ca") == 7
    assert value(found, "quota_servers_used", provider="ca") == 3
    assert value(found, "provider_drained", provider="ca") == 1
    assert value(found, "label_min_ready", label="xen") == 3
    assert value(found, "pool_overrides", name="xen", kind="min_ready") == 1
    assert value(found, "holds") == 1
