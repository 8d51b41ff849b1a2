"""A real cloud of the lab keeps the same contract as the fake one."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import openstack
import pytest
import yaml
from openstack.connection import Connection

from tests.contracts.provider_contract import Networked, NetworkedContract
from xenci.config.models import Provider as ProviderSettings
from xenci.config.models import ProviderLabel
from xenci.lab.paths import LabPaths
from xenci.providers.port import Provider
from xenci.providers.registry import open_provider

pytestmark = pytest.mark.lab

#: longest wait for a server of the lab on a busy machine; seconds
PATIENCE = 900


def provider(cloud: str, system: str = "contract", **more: Any) -> Provider:
    settings = ProviderSettings(
        name="ca",
        cloud=cloud,
        failure_domain="lab",
        network="lab",
        availability_zones=("nova",),
        **more,
        security_groups=("default",),
        max_servers=4,
        labels=(ProviderLabel(name="small", image="standin", flavor="small"),),
        api_timeout=timedelta(minutes=3),
    )
    return open_provider(settings, system=system)


def tenant(clouds_yaml: Path) -> Connection:
    config = openstack.config.OpenStackConfig(config_files=[str(clouds_yaml)])
    return Connection(config=config.get_one("ca-demo"))


def wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "the cloud did not get there"
        time.sleep(0.5)


def clear(*providers: Provider) -> None:
    for one in providers:
        for server in one.list():
            one.delete(server.id)
    wait(lambda: not any(one.list() for one in providers))
    for one in providers:
        for left in one.leftovers(set()):
            one.delete_leftover(left)


@pytest.fixture(scope="module")
def admin(lab: LabPaths) -> Iterator[Callable[[int], None]]:
    """Sets the quota of the tenant; afterwards it is as it was."""
    config = openstack.config.OpenStackConfig(config_files=[str(lab.clouds_yaml)])
    connection = openstack.connection.Connection(config=config.get_one("ca"))
    project = connection.identity.find_project("demo").id
    before = connection.compute.get_limits(tenant_id=project).absolute.instances

    def set_quota(servers: int) -> None:
        connection.compute.update_quota_set(project, instances=servers)

    set_quota(before)
    yield set_quota
    set_quota(before)


@pytest.fixture(scope="module")
def clouds_yaml(lab: LabPaths, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lab's clouds, and beside them one with a wrong password and one that does not answer."""
    clouds = yaml.safe_load(lab.clouds_yaml.read_text())["clouds"]
    real = clouds["ca-demo"]
    clouds["refused"] = real | {"auth": real["auth"] | {"password": "wrong"}}
    clouds["silent"] = real | {"auth": real["auth"] | {"auth_url": "http://127.0.0.1:9/v3"}}
    path = tmp_path_factory.mktemp("clouds") / "clouds.yaml"
    path.write_text(yaml.safe_dump({"clouds": clouds}))
    return path


class TestRealCloud(NetworkedContract):
    @pytest.fixture
    def cloud(
        self, clouds_yaml: Path, admin: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[Networked]:
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(clouds_yaml))
        ours, other = provider("ca-demo"), provider("ca-demo", "other")
        clear(ours, other)
        cloud = tenant(clouds_yaml)

        def put_port(server_id: str) -> str:
            network = cloud.network.find_network("lab", ignore_missing=False).id
            description = f"xenci_system=contract xenci_server={server_id}"
            return str(cloud.network.create_port(network_id=network, description=description).id)

        yield Networked(
            provider=ours,
            other=other,
            refused=provider("refused"),
            silent=provider("silent"),
            floating=provider("ca-demo", floating_network="public"),
            abandon=cloud.compute.delete_server,
            put_port=put_port,
            set_quota=admin,
            wait=wait,
        )
        admin(30)
        clear(ours, other)
