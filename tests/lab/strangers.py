"""Things in a cloud that no row accounts for: strays of ours, and what others have there by names like ours."""

from typing import Any

from tests.lab.test_pool_lab import PATIENCE
from xenci.model.leftover import Kind, Leftover
from xenci.providers.openstack_marks import description_of
from xenci.providers.port import IMAGE_KEY, SYSTEM_KEY
from xenci.providers.registry import open_provider
from xenci.rules.leaks import keypair_name
from xenci.services.context import Context

Things = set[tuple[Kind, str]]


def there(tenant: Any) -> Things:
    """Return all servers, ports, floating IPs, key pairs and images that the tenant has."""
    lists = {
        Kind.SERVER: tenant.compute.servers(),
        Kind.PORT: tenant.network.ports(),
        Kind.FLOATING_IP: tenant.network.ips(),
        Kind.KEYPAIR: tenant.compute.keypairs(),
        Kind.IMAGE: tenant.image.images(),
    }
    return {(kind, str(one.id)) for kind, all_ in lists.items() for one in all_}


def put_ours(ctx: Context, tenant: Any, *, key: str) -> Things:
    """Leave things in the cloud that carry our system id and have no row: a server, its key pair, a port, an IP.

    And an image that nobody has uploaded to the end.
    """
    before, system = there(tenant), ctx.settings.system
    wanted = {"image": "standin", "flavor": "small", "public_key": key, "metadata": {"xenci_node": "lost"}}
    ctx.providers["ca"].create(name=f"{system}-node-000777", **wanted)
    mark = description_of(system, "a-server-that-is-gone")
    put_port_and_ip(tenant, description=mark)
    put_image(tenant, f"{system}-image-000777", system)
    added = there(tenant) - before
    assert {kind for kind, _ in added} >= {Kind.SERVER, Kind.PORT, Kind.FLOATING_IP, Kind.KEYPAIR, Kind.IMAGE}
    return added


def put_foreign(ctx: Context, tenant: Any, *, key: str) -> Things:
    """Put a server, key pair, port, floating IP and image of somebody else there, by names like ours."""
    before, system = there(tenant), ctx.settings.system
    pair = f"{keypair_name(system, key)[:-1]}-"
    tenant.compute.create_keypair(name=pair, public_key=key)
    server = tenant.compute.create_server(
        name=f"{system}-node-000778",
        image_id=tenant.image.find_image("standin", ignore_missing=False).id,
        flavor_id=tenant.compute.find_flavor("small", ignore_missing=False).id,
        networks=[{"uuid": tenant.network.find_network("lab", ignore_missing=False).id}],
        key_name=pair,
        metadata={"xenci_node": f"{system}-node-000778", "xenci_system": f"{system}2"},
    )
    tenant.compute.wait_for_server(server, interval=0.3, wait=PATIENCE)
    put_port_and_ip(tenant, description=f"of {system}", name=f"{system}-node-000778")
    put_image(tenant, f"{system}-image-000778", f"{system}2")
    return there(tenant) - before


def remove(ctx: Context, things: Things) -> None:
    """Remove what somebody else has on cloud `ca`."""
    somebody = open_provider(ctx.settings.provider("ca"), system="somebody")
    for kind, one in things:
        somebody.delete_leftover(Leftover(kind=kind, id=one, name="", created_at=None))


def put_port_and_ip(tenant: Any, *, description: str, **port: str) -> None:
    """Make a port that no server has, and a floating IP that no port has."""
    inside = tenant.network.find_network("lab", ignore_missing=False).id
    outside = tenant.network.find_network("public", ignore_missing=False).id
    tenant.network.create_port(network_id=inside, description=description, **port)
    tenant.network.create_ip(floating_network_id=outside, description=description)


def put_image(tenant: Any, name: str, system: str) -> None:
    """Begin an image of an installation, as one does that dies before it has uploaded it."""
    marks = {SYSTEM_KEY: system, IMAGE_KEY: name}
    tenant.image.create_image(name=name, container_format="bare", disk_format="raw", **marks)
