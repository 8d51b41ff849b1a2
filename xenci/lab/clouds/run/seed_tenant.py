"""seed_tenant.py CLOUD NET KEY IMAGE..: what a cloud's tenant finds: network, router, key, images.

The network is 127.N.0.0/24 (NET is 127.N), KEY a file with a public key, IMAGE the name of a golden folder. Run at each
start with something new, it leaves alone what is there. The clouds' Python runs it; OS_CLIENT_CONFIG_FILE names the
clouds.yaml.
"""

import sys

import openstack

#: What can go wrong with a server on request: the suffix of the image's name, and what the compute driver is told.
SISTERS = {"": "", "-dead": "dead", "-slow": "slow:60", "-broken": "spawn"}


def seed_images(cloud, folders):
    """One image for each golden folder, and its faulty sisters.

    An image has no disk: its property lab_machine names the golden folder that the compute driver takes. An emulated
    dom0 takes its time to shut down.
    """
    known = set()
    for image in list(cloud.image.images()):
        if image.status == "active":
            known.add(image.name)
        else:  # an earlier start was killed before it had data
            cloud.image.delete_image(image)
    for folder in folders:
        for suffix, fault in SISTERS.items():
            if folder + suffix in known:
                continue
            properties = {"lab_machine": folder, "os_shutdown_timeout": "180"} | ({"lab_fault": fault} if fault else {})
            cloud.image.create_image(
                name=folder + suffix,
                data=b"the disk is the golden image that lab_machine names",
                container_format="bare",
                disk_format="raw",
                visibility="public",
                wait=True,
                **properties,
            )


def seed_network(cloud, net):
    """The tenant's network, and a router to an external one so that floating IPs find their way (no packet flows).

    The subnet lies in this host's loopback: QEMU listens at the servers' own addresses. Neutron takes it without DHCP.
    What an earlier start left half done, killed before the router's inner port was in place, is made anew.
    """
    if list(cloud.network.ports(device_owner="network:router_interface")):
        return
    forget_network(cloud)
    demo = cloud.identity.find_project("demo").id
    network = cloud.network.create_network(name="lab", project_id=demo)
    cloud.network.create_subnet(
        network_id=network.id, name="lab", ip_version=4, cidr=f"{net}.0.0/24",
        is_dhcp_enabled=False, gateway_ip=None, project_id=demo,
    )  # fmt: skip
    external = cloud.network.create_network(name="public", is_router_external=True)
    cloud.network.create_subnet(
        network_id=external.id, name="public", ip_version=4, cidr=f"{net}.1.0/24",
        is_dhcp_enabled=False, gateway_ip=None,
    )  # fmt: skip
    inner = cloud.network.create_port(network_id=network.id, project_id=demo)
    router = cloud.network.create_router(name="lab", project_id=demo, external_gateway_info={"network_id": external.id})
    cloud.network.add_interface_to_router(router, port_id=inner.id)


def forget_network(cloud):
    """Remove whatever there is of networks: nobody has used a network that was never finished."""
    for router in list(cloud.network.routers()):
        cloud.network.delete_router(router)
    for port in list(cloud.network.ports()):
        cloud.network.delete_port(port)
    for network in list(cloud.network.networks()):
        cloud.network.delete_network(network)


def seed_key(tenant, path):
    """The tenant's public key; another one than before if the lab has made another."""
    with open(path) as file:
        public = file.read().strip()
    known = tenant.compute.find_keypair("lab")
    if known and known.public_key.strip() != public:
        tenant.compute.delete_keypair(known)
        known = None
    if not known:
        tenant.compute.create_keypair(name="lab", public_key=public)


def main(name, net, key, *folders):
    cloud = openstack.connect(cloud=name)
    seed_images(cloud, folders)
    seed_network(cloud, net)
    seed_key(openstack.connect(cloud=name + "-demo"), key)


main(*sys.argv[1:])
