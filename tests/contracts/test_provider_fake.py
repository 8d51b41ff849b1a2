"""The fake cloud keeps the provider's contract, so that what is tested on it holds on a real one."""

from collections.abc import Callable

import pytest

from tests.contracts.fake_cloud import FakeCloud
from tests.contracts.provider_contract import Networked, NetworkedContract
from xenci.model.leftover import Kind
from xenci.providers.port import ApiDown, WrongSetup


class TestFakeCloud(NetworkedContract):
    @pytest.fixture
    def cloud(self, request: pytest.FixtureRequest) -> Networked:
        ours, other, refused, silent = (FakeCloud(system=name) for name in ("contract", "other", "refused", "silent"))
        other.servers, other.snapshots, other.things = ours.servers, ours.snapshots, ours.things
        refused.down = WrongSetup("401", remedy="look at the password")
        silent.down = ApiDown("refused")

        def set_quota(servers: int) -> None:
            ours.quota = servers

        def wait(condition: Callable[[], bool]) -> None:
            ours.settle()
            assert condition()

        def abandon(server_id: str) -> None:
            del ours.servers[server_id]

        def put_port(server_id: str) -> str:
            return ours.hold(Kind.PORT, "left", system="contract", server_id=server_id).id

        # the fake gives floating IPs to whoever asks, the real one to whom the configuration says so
        ours.has_floating = "floating" in request.node.name or "left_of" in request.node.name
        return Networked(
            provider=ours,
            other=other,
            refused=refused,
            silent=silent,
            floating=ours,
            set_quota=set_quota,
            abandon=abandon,
            put_port=put_port,
            wait=wait,
        )
