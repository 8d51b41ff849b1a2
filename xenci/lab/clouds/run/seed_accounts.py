"""seed_accounts.py CLOUD PORT: users, roles, endpoints (PORT is keystone's) and flavors of a cloud, once.

This goes into the template that each cloud is copied from. The clouds' Python runs it; OS_CLIENT_CONFIG_FILE names the
clouds.yaml.
"""

import sys

import openstack

FLAVORS = (("xen-8gb", 8192, 4, 80), ("xen-huge", 65536, 32, 80), ("small", 1024, 1, 10))
APIS = (
    ("placement", "placement", 1, ""),
    ("image", "glance", 2, ""),
    ("network", "neutron", 3, ""),
    ("compute", "nova", 4, "/v2.1"),
)


def seed_accounts(name, port):
    """The services' accounts and endpoints, the tenant, the flavors."""
    identity = openstack.connect(cloud=name).identity
    service = identity.create_project(name="service", domain_id="default")
    demo = identity.create_project(name="demo", domain_id="default")
    roles = {role.name: role for role in identity.roles()}
    for service_user in ("placement", "glance", "neutron", "nova"):
        user = identity.create_user(name=service_user, password=service_user + "pw", domain_id="default")
        for role in ("admin", "service"):
            identity.assign_project_role_to_user(service, user, roles[role])
    user = identity.create_user(name="demo", password="demopw", domain_id="default")
    for role in ("member", "reader"):
        identity.assign_project_role_to_user(demo, user, roles[role])
    for kind, api_name, offset, path in APIS:
        api = identity.create_service(name=api_name, type=kind)
        for interface in ("public", "internal", "admin"):
            url = f"http://127.0.0.1:{port + offset}{path}"
            identity.create_endpoint(service_id=api.id, interface=interface, region_id="RegionOne", url=url)
    compute = openstack.connect(cloud=name).compute  # a token made now: it lists the endpoints
    for flavor, ram, vcpus, disk in FLAVORS:
        compute.create_flavor(name=flavor, ram=ram, vcpus=vcpus, disk=disk)


seed_accounts(sys.argv[1], int(sys.argv[2]))
