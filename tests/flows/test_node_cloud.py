"""`xenci node list --cloud` needs no row to tell a node."""

import json

import pytest

from tests.contracts.fake_cloud import FakeCloud
from tests.flows.test_cli import Call, call
from tests.flows.world import World
from xenci.cli import node_cloud
from xenci.providers.port import ApiDown
from xenci.rules.nodes import BUILD_KEY, metadata_of
from xenci.store.tables import NodeRow

__all__ = ["call"]


def test_nodes_are_told_by_the_cloud_alone_also_where_a_row_was_lost(
    world: World, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = FakeCloud(clock=world.ctx.clock)
    monkeypatch.setattr(node_cloud, "open_provider", lambda settings, system: cloud)
    for number in (1, 2):
        name = f"test-node-{number:06}"
        metadata = metadata_of(name, world.now, "xen") | {BUILD_KEY: str(number), "xenci_system": "test"}
        server = cloud.put(name, metadata)
    with world.database.session() as session:
        times = {"created_at": world.now, "state_at": world.now}
        row = {"name": "test-node-000002", "label": "xen", "provider": "ca", "state": "in-use"}
        session.add(NodeRow(**row, **times, server_id=server.id))
    told = json.loads(call("node", "list", "--cloud", "--json").stdout)
    assert [(one["name"], one["label"], one["build"], one["row"]) for one in told] == [
        ("test-node-000001", "xen", 1, "none"),
        ("test-node-000002", "xen", 2, "in-use"),
    ]
    cloud.down = ApiDown("503")
    assert "503" in call("node", "list", "--cloud", "--json").stdout
