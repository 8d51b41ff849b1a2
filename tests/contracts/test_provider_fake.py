"""The fake cloud keeps the provider's contract, so that what is tested on it holds on a real one."""

from collections.abc import Callable

import pytest

from tests.contracts.fake_cloud import FakeCloud
from tests.contracts.provider_contract import Cloud, ProviderContract
from xenci.providers.port import ApiDown, WrongSetup


class TestFakeCloud(ProviderContract):
    @pytest.fixture
    def cloud(self) -> Cloud:
        ours, other, refused, silent = (FakeCloud(system=name) for name in ("contract", "other", "refused", "silent"))
        other.servers = ours.servers
        refused.down = WrongSetup("401", remedy="look at the password")
        silent.down = ApiDown("refused")

        def set_quota(servers: int) -> None:
            ours.quota = servers

        def wait(condition: Callable[[], bool]) -> None:
            ours.settle()
            assert condition()

        return Cloud(provider=ours, other=other, refused=refused, silent=silent, set_quota=set_quota, wait=wait)
