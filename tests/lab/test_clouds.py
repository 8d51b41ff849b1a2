"""The lab's clouds are real: servers that answer SSH, faults on request, and a Nova that may be killed."""

import base64
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import openstack
import paramiko
import pytest
from openstack.compute.v2.server import Server
from openstack.connection import Connection
from openstack.exceptions import ForbiddenException, ResourceFailure

from xenci.lab import clouds, processes
from xenci.lab.clouds import network
from xenci.lab.paths import CLOUDS, LabPaths

pytestmark = pytest.mark.lab

Seen = TypeVar("Seen")

MARK = {"made-by": "test_clouds"}


def tenant(lab: LabPaths, cloud: str) -> Connection:
    config = openstack.config.OpenStackConfig(config_files=[str(lab.clouds_yaml)])
    return Connection(config=config.get_one(f"{cloud}-demo"))


def begin(connection: Connection, name: str, image: str = "standin", flavor: str = "small", **metadata: str) -> Server:
    return connection.compute.create_server(
        name=name,
        image_id=connection.image.find_image(image, ignore_missing=False).id,
        flavor_id=connection.compute.find_flavor(flavor, ignore_missing=False).id,
        networks=[{"uuid": connection.network.find_network("lab", ignore_missing=False).id}],
        key_name="lab",
        metadata=MARK | metadata,
    )


def active(connection: Connection, server: Server) -> Server:
    return connection.compute.wait_for_server(server, interval=0.5, wait=400)


def address(server: Server) -> str:
    return str(server.addresses["lab"][0]["addr"])


@pytest.fixture
def tenants(lab: LabPaths) -> Iterator[dict[str, Connection]]:
    """The tenants of both clouds; what a test leaves of its servers is deleted."""
    connections = {cloud: tenant(lab, cloud) for cloud in CLOUDS}
    yield connections
    for connection in connections.values():
        for server in connection.compute.servers():
            if server.metadata.get("made-by") == MARK["made-by"]:
                connection.compute.delete_server(server, force=False)
                connection.compute.wait_for_delete(server, interval=0.5, wait=200)


def eventually(look: Callable[[], Seen | None], what: str, seconds: float = 1200.0) -> Seen:
    """Look until something is seen; not how long it takes is tested, but that it comes."""
    limit = time.monotonic() + seconds
    while (seen := look()) is None:
        assert time.monotonic() < limit, f"never seen: {what}"
        time.sleep(0.3)
    return seen


def host_key(connection: Connection, server: Server) -> paramiko.PKey:
    """Learn a server's SSH host key from its console, which only the cloud can write to us."""

    def look() -> paramiko.PKey | None:
        console = connection.compute.get_server_console_output(server)["output"]
        for line in console.splitlines():
            words = line.split()
            if words[:1] == ["ssh-ed25519"]:
                return paramiko.Ed25519Key(data=base64.b64decode(words[1]))
        return None

    return eventually(look, f"the host key on the console of {server.name}")


def shell(lab: LabPaths, connection: Connection, server: Server) -> paramiko.SSHClient:
    """Sign in as the tenant, to nobody but the machine whose key is on the console."""
    return enter(lab, server, host_key(connection, server))


def enter(lab: LabPaths, server: Server, expected: paramiko.PKey) -> paramiko.SSHClient:
    """Sign in as the tenant, to nobody but the machine that has this key; the cloud is not asked."""
    key = paramiko.Ed25519Key.from_private_key_file(str(network.tenant_key(lab).with_suffix("")))
    port = network.ssh_port(lab)

    def look() -> paramiko.SSHClient | None:
        client = paramiko.SSHClient()
        name = address(server) if port == 22 else f"[{address(server)}]:{port}"
        client.get_host_keys().add(name, expected.get_name(), expected)
        try:
            client.connect(address(server), port, "root", pkey=key, look_for_keys=False, allow_agent=False, timeout=20)
            return client
        except paramiko.BadHostKeyException:
            raise  # another machine answers: to ask again would hide it
        except (OSError, EOFError, paramiko.SSHException):
            return None

    return eventually(look, f"SSH of {server.name}")


def run(client: paramiko.SSHClient, command: str) -> str:
    _, out, _ = client.exec_command(command, timeout=60)
    return out.read().decode().strip()


def test_a_server_on_each_cloud_is_a_machine_of_its_own_with_ssh_and_leaves_nothing(
    lab: LabPaths, tenants: dict[str, Connection]
) -> None:
    servers = {cloud: begin(tenants[cloud], f"one-on-{cloud}") for cloud in CLOUDS}
    keys = {}
    for cloud, connection in tenants.items():
        servers[cloud] = active(connection, servers[cloud])
        assert address(servers[cloud]).startswith(lab.subnet(cloud).removesuffix("0/24"))
        with shell(lab, connection, servers[cloud]) as client:
            assert run(client, "hostname") == f"one-on-{cloud}"
        keys[cloud] = host_key(connection, servers[cloud])
    assert keys["ca"] != keys["cb"]
    running = {machine.server: machine for machine in clouds.running_machines(lab)}
    for cloud, connection in tenants.items():
        machine = running[servers[cloud].id]
        assert (machine.cloud, machine.addresses) == (cloud, (address(servers[cloud]),))
        connection.compute.delete_server(servers[cloud])
        connection.compute.wait_for_delete(servers[cloud], interval=0.3, wait=200)
        assert not Path(f"/proc/{machine.pid}/exe").exists()
        assert not list(connection.network.ports(device_id=servers[cloud].id))


def test_a_machine_reaches_nothing_of_this_host(lab: LabPaths, tenants: dict[str, Connection]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = active(tenants["ca"], begin(tenants["ca"], "closed-in"))
        look = "nc -w 3 {} {} < /dev/null > /dev/null && echo reached || echo closed"
        looks = f"{look.format('127.0.0.1', 22)}; {look.format('10.0.2.2', port)}"
        with shell(lab, tenants["ca"], server) as client:
            assert run(client, looks).split() == ["reached", "closed"]  # the first, so that the look can tell


def test_a_build_that_fails_is_an_error_with_its_reason(tenants: dict[str, Connection]) -> None:
    server = begin(tenants["cb"], "never-built", lab_fault="spawn")
    with pytest.raises(ResourceFailure):
        active(tenants["cb"], server)
    assert "lab_fault=spawn" in tenants["cb"].compute.get_server(server.id).fault["message"]


def test_an_image_may_bring_its_fault_with_it(tenants: dict[str, Connection]) -> None:
    with pytest.raises(ResourceFailure):
        active(tenants["ca"], begin(tenants["ca"], "broken-image", image="standin-broken"))


def test_a_dead_machine_is_active_and_says_nothing(lab: LabPaths, tenants: dict[str, Connection]) -> None:
    server = active(tenants["ca"], begin(tenants["ca"], "dead", lab_fault="dead"))
    with socket.create_connection((address(server), network.ssh_port(lab)), timeout=10) as connection:
        connection.settimeout(2)
        with pytest.raises(TimeoutError):
            connection.recv(1)


def test_a_server_may_refuse_the_tenants_key(lab: LabPaths, tenants: dict[str, Connection]) -> None:
    server = active(tenants["cb"], begin(tenants["cb"], "no-key", lab_fault="nokey"))
    key = paramiko.Ed25519Key.from_private_key_file(str(network.tenant_key(lab).with_suffix("")))

    def look() -> bool | None:
        try:
            with paramiko.Transport((address(server), network.ssh_port(lab))) as transport:
                transport.start_client(timeout=20)
                transport.auth_publickey("root", key)
        except paramiko.AuthenticationException:
            return True
        except (OSError, EOFError, paramiko.SSHException):
            return None
        return False

    assert eventually(look, "an answer of its SSH server")


def test_a_flavor_that_never_fits_is_an_error_for_want_of_a_host(tenants: dict[str, Connection]) -> None:
    server = begin(tenants["ca"], "too-big", flavor="xen-huge")
    with pytest.raises(ResourceFailure):
        active(tenants["ca"], server)
    assert "No valid host" in tenants["ca"].compute.get_server(server.id).fault["message"]


def test_a_full_quota_is_refused(lab: LabPaths, tenants: dict[str, Connection]) -> None:
    config = openstack.config.OpenStackConfig(config_files=[str(lab.clouds_yaml)])
    admin = Connection(config=config.get_one("cb"))
    project = admin.identity.find_project("demo", ignore_missing=False)
    before = admin.compute.get_quota_set(project).instances
    admin.compute.update_quota_set(project, instances=0)
    try:
        with pytest.raises(ForbiddenException, match="Quota exceeded"):
            begin(tenants["cb"], "one-too-many")
    finally:
        admin.compute.update_quota_set(project, instances=before)


def test_a_killed_nova_comes_back_and_finds_its_servers(lab: LabPaths, tenants: dict[str, Connection]) -> None:
    connection = tenants["ca"]
    server = active(connection, begin(connection, "survivor"))
    expected = host_key(connection, server)

    def began() -> str:
        """Return when the machine's first process began, in ticks after its boot."""
        with enter(lab, server, expected) as client:
            return run(client, "cat /proc/1/stat").split()[21]

    before = began()
    nova = processes.find(lab.run, "ca-nova")
    assert nova is not None
    try:
        os.kill(nova.pid, signal.SIGKILL)
        assert began() == before
    finally:
        clouds.restart_nova(lab, "ca")
    assert began() == before
    assert connection.compute.get_server(server.id).status == "ACTIVE"
    assert server.id in {machine.server for machine in clouds.running_machines(lab)}
    connection.compute.delete_server(server)
    connection.compute.wait_for_delete(server, interval=0.3, wait=200)
    assert server.id not in {machine.server for machine in clouds.running_machines(lab)}
