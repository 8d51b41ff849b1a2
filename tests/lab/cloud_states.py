"""What a test does to a cloud of the lab, as its operator would; a block takes it back at its end."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab.pooling import connection, give_up_all, reopen
from xenci.lab import clouds, processes
from xenci.lab.clouds import launch
from xenci.lab.clouds.layout import Cloud
from xenci.lab.paths import CLOUDS, LabPaths
from xenci.services.context import Context


@contextmanager
def without_compute(paths: LabPaths, cloud: str) -> Iterator[None]:
    """Let a cloud's API accept servers that nobody builds."""
    place = Cloud.of(paths, cloud)
    processes.end(paths.run, place.process("nova"))
    launch.start_nova(paths, place, compute=False)
    launch.await_api(paths, place, "nova")
    try:
        yield
    finally:
        clouds.restart_nova(paths, cloud)


def set_quota(paths: LabPaths, cloud: str, servers: int) -> None:
    """Set how many servers the tenant may have."""
    admin = connection(paths.clouds_yaml, cloud)
    admin.compute.update_quota_set(admin.identity.find_project("demo", ignore_missing=False), instances=servers)


@contextmanager
def another_network(paths: LabPaths, name: str) -> Iterator[None]:
    """Give the tenants of both clouds a second network for as long as the block runs."""
    made = []
    try:
        for cloud in CLOUDS:
            tenant = connection(paths.clouds_yaml, f"{cloud}-demo").network
            made.append((tenant, tenant.create_network(name=name)))
            tenant.create_subnet(network_id=made[-1][1].id, ip_version=4, cidr="192.0.2.0/24", is_dhcp_enabled=False)
        yield
    finally:
        for tenant, network in made:
            tenant.delete_network(network)


@contextmanager
def zones(ctx: Context, paths: LabPaths, cloud: str) -> Iterator[dict[str, str]]:
    """Put each of a cloud's two hosts into a zone of its own, and have a context use that cloud and these alone."""
    compute = connection(paths.clouds_yaml, cloud).compute
    where = {"zone-1": "node1", "zone-2": "node2"}
    made = {zone: compute.create_aggregate(name=zone, availability_zone=zone) for zone in where}
    (one,) = (one for one in ctx.settings.providers if one.name == cloud)
    ctx.settings = ctx.settings.model_copy(
        update={"providers": (one.model_copy(update={"availability_zones": tuple(where)}),)}
    )
    reopen(ctx)
    try:
        for zone, host in where.items():
            compute.add_host_to_aggregate(made[zone], host)
        yield where
    finally:
        give_up_all(ctx)
        for zone, host in where.items():
            compute.remove_host_from_aggregate(made[zone], host)
            compute.delete_aggregate(made[zone])


@contextmanager
def out_of_service(paths: LabPaths, cloud: str, host: str) -> Iterator[None]:
    """Take one of a cloud's hosts out of service for as long as the block runs."""
    compute = connection(paths.clouds_yaml, cloud).compute
    service = next(one for one in compute.services() if (one.binary, one.host) == ("nova-compute", host))
    compute.disable_service(service, disabled_reason="a test")
    try:
        yield
    finally:
        compute.enable_service(service)
