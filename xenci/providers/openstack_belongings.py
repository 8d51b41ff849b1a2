"""What a server of ours has on an OpenStack cloud besides itself, and all that may be left of it.

Ownership is read from the thing itself: a key pair's public key and the description of what Neutron holds carry our
system id, volumes and images have it in their metadata. A name alone never makes a thing ours.
"""

from collections.abc import Iterator, Set
from typing import Any

from xenci.model.leftover import Image, Kind, Leftover
from xenci.providers.openstack_errors import ignored
from xenci.providers.openstack_images import images_of
from xenci.providers.openstack_marks import SERVER_KEY, description_of, marks_of
from xenci.providers.openstack_names import Names
from xenci.providers.openstack_shapes import moment
from xenci.providers.port import SYSTEM_KEY, NoCapacity
from xenci.rules.leaks import keypair_name


def ensure_keypair(cloud: Any, system: str, public_key: str) -> str:
    """Return the name of our key pair for this key, made if it is not there, made anew if it holds another key."""
    name = keypair_name(system, public_key)
    # the comment is kept by Nova, which has no other place for who owns a key pair
    wanted = [*public_key.split()[:2], f"{SYSTEM_KEY}={system}"]
    found = None
    with ignored(404):
        found = cloud.compute.get_keypair(name)
    if found is not None and str(found.public_key).split() != wanted:
        cloud.compute.delete_keypair(name, ignore_missing=True)
        found = None
    if found is None:
        # 409: another step was faster
        with ignored(409):
            cloud.compute.create_keypair(name=name, public_key=" ".join(wanted))
    return name


def give_floating_ip(cloud: Any, names: Names, system: str, server_id: str) -> None:
    """Give a server a floating IP unless it has one. Raises NoCapacity while Neutron knows no port of it."""
    network = names.network(cloud)
    port = next(iter(cloud.network.ports(device_id=server_id, network_id=network)), None)
    if port is None:
        raise NoCapacity(f"server {server_id} has no port on its network yet", brief="No floating IP can be given")
    if next(iter(cloud.network.ips(port_id=port.id)), None) is None:
        cloud.network.create_ip(
            floating_network_id=names.floating_network(cloud),
            port_id=port.id,
            description=description_of(system, server_id),
        )


def release_floating_ips(cloud: Any, system: str, server_id: str) -> None:
    """Delete the floating IPs that were made for a server."""
    for ip in list(cloud.network.ips()):
        marks = marks_of(ip.description)
        if marks.get(SYSTEM_KEY) == system and marks.get(SERVER_KEY) == server_id:
            cloud.network.delete_ip(ip.id, ignore_missing=True)


#: the kinds of what there is besides servers
KINDS = tuple(kind for kind in Kind if kind is not Kind.SERVER)


def all_of(cloud: Any, kind: Kind, system: str, servers: Set[str]) -> list[Leftover]:
    """Return all of a kind that carries the system's id; see `port.Provider.leftovers`. Servers are not told here."""
    match kind:
        case Kind.PORT:
            return list(_ports(cloud, system, servers))
        case Kind.FLOATING_IP:
            return list(_floating_ips(cloud, system))
        case Kind.VOLUME:
            return list(_volumes(cloud, system))
        case Kind.KEYPAIR:
            return list(_keypairs(cloud, system))
        case Kind.IMAGE:
            return [_image(image) for image in images_of(cloud, "", system)]
    return []


def delete(cloud: Any, thing: Leftover) -> None:
    """Delete one of them; harmless if it is gone."""
    match thing.kind:
        case Kind.SERVER:
            cloud.compute.delete_server(thing.id, ignore_missing=True)
        case Kind.PORT:
            cloud.network.delete_port(thing.id, ignore_missing=True)
        case Kind.FLOATING_IP:
            cloud.network.delete_ip(thing.id, ignore_missing=True)
        case Kind.VOLUME:
            cloud.block_storage.delete_volume(thing.id, ignore_missing=True)
        case Kind.KEYPAIR:
            cloud.compute.delete_keypair(thing.id, ignore_missing=True)
        case Kind.IMAGE:
            cloud.image.delete_image(thing.id, ignore_missing=True)


def _ports(cloud: Any, system: str, servers: Set[str]) -> Iterator[Leftover]:
    for port in cloud.network.ports():
        marks = marks_of(port.description)
        is_servers = str(port.device_owner or "").startswith("compute:") and port.device_id in servers
        if marks.get(SYSTEM_KEY) == system or is_servers:
            server = str(port.device_id or "") or marks.get(SERVER_KEY)
            yield Leftover(
                kind=Kind.PORT,
                id=str(port.id),
                name=str(port.name or ""),
                server_id=server,
                created_at=moment(port.created_at) if port.created_at else None,
            )


def _floating_ips(cloud: Any, system: str) -> Iterator[Leftover]:
    for ip in cloud.network.ips():
        marks = marks_of(ip.description)
        if marks.get(SYSTEM_KEY) == system:
            yield Leftover(
                kind=Kind.FLOATING_IP,
                id=str(ip.id),
                name=str(ip.floating_ip_address),
                server_id=marks.get(SERVER_KEY),
                created_at=moment(ip.created_at) if ip.created_at else None,
            )


def _volumes(cloud: Any, system: str) -> Iterator[Leftover]:
    if not cloud.has_service("block-storage"):
        return
    for volume in cloud.block_storage.volumes(details=True):
        if (volume.metadata or {}).get(SYSTEM_KEY) == system:
            attached = [str(one.get("server_id")) for one in volume.attachments or ()]
            yield Leftover(
                kind=Kind.VOLUME,
                id=str(volume.id),
                name=str(volume.name or ""),
                server_id=next(iter(attached), (volume.metadata or {}).get(SERVER_KEY)),
                created_at=moment(volume.created_at),
            )


def _keypairs(cloud: Any, system: str) -> Iterator[Leftover]:
    for pair in cloud.compute.keypairs():
        if str(pair.public_key or "").split()[2:] == [f"{SYSTEM_KEY}={system}"]:
            yield Leftover(kind=Kind.KEYPAIR, id=str(pair.name), name=str(pair.name))


def _image(image: Image) -> Leftover:
    return Leftover(kind=Kind.IMAGE, id=image.id, name=image.name, created_at=image.created_at)
