"""The contract of a Host, kept by the small one of local processes. Real machines: tests/lab/xen/test_host.py."""

from pathlib import Path

import pytest

from tests.contracts.host_contract import CommandContract, TreeContract, UnitContract
from tests.contracts.local_host import LocalHost
from xenci.host import collect
from xenci.host.port import Host


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("place"))


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(collect, "SCRIPT", str(tmp_path / "collect.sh"))
    monkeypatch.setenv("XENCI_ROOT", str(tmp_path / "root"))
    return LocalHost(tmp_path / "node")


class TestLocalHostCommands(CommandContract):
    pass


class TestLocalHostUnits(UnitContract):
    pass


class TestLocalHostTrees(TreeContract):
    pass
