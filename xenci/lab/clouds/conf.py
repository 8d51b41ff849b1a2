"""The configuration of one cloud's services, written anew at each start.

Nothing here is remembered from an earlier start: ports, paths and limits come from the lab's paths and the caller, so
a lab that moves or is asked for another limit needs no repair. Passwords are no secrets (everybody knows a demo's), but
the files are for their owner alone all the same.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from xenci.lab.clouds.layout import Cloud

Sections = Mapping[str, Mapping[str, object]]

#: Nova's driver, how many servers it builds at once, as an emulated machine keeps a processor busy, and the hosts.
DRIVERS = {
    "xenmachine": ("xenmachine.XenMachineDriver", 2, ("node1",)),
    "fake": ("labfake.LabFakeDriver", 10, ("node1", "node2")),
}


#: To the process's own log; oslo's usual levels, and no line for each request to placement or each bcrypt password.
_LOG: dict[str, object] = {
    "use_stderr": True,
    "default_log_levels": "sqlalchemy=WARN,oslo_messaging=INFO,urllib3.connectionpool=WARN,stevedore=WARN,"
    "keystonemiddleware=WARN,routes.middleware=WARN,placement.requestlog=WARN,keystone.common.password_hashing=ERROR",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the person who starts the clouds may choose."""

    #: `xenmachine`: every server is a QEMU machine; `fake`: Nova's own fake driver, for load tests
    driver: str
    #: how many servers of 8 GB fit into one cloud
    servers: int
    #: how many servers the tenant may have
    quota: int
    #: where the golden images lie
    images: Path
    #: `HOST:GUEST` ports that are open at a server's fixed address
    forwards: str = "22:22"


def write(cloud: Cloud, etc: Path, limits: Limits) -> None:
    """Write all configuration files of a cloud; `etc` is where the packages keep the paste files that they ship."""
    for name in ("keystone", "placement", "glance", "neutron", "nova", "state", "lock", "machines"):
        (cloud.folder / name).mkdir(parents=True, exist_ok=True)
    for name in ("fernet", "credential"):
        (cloud.folder / name).mkdir(mode=0o700, exist_ok=True)
    shutil.copyfile(etc / "glance" / "glance-api-paste.ini", cloud.folder / "glance" / "glance-api-paste.ini")
    shutil.copyfile(etc / "neutron" / "api-paste.ini", cloud.folder / "neutron" / "api-paste.ini")
    shutil.copyfile(etc / "nova" / "api-paste.ini", cloud.folder / "nova" / "api-paste.ini")
    write_private(cloud.folder / "keystone" / "keystone.conf", _ini(_keystone(cloud)))
    write_private(cloud.folder / "placement" / "placement.conf", _ini(_placement(cloud)))
    write_private(cloud.folder / "glance" / "glance-api.conf", _ini(_glance(cloud)))
    write_private(cloud.folder / "neutron" / "neutron.conf", _ini(_neutron(cloud)))
    write_private(cloud.folder / "nova" / "nova.conf", _ini(_nova(cloud, limits)))
    write_private(cloud.clouds_yaml, "clouds:\n" + clouds_yaml(cloud))


def clouds_yaml(cloud: Cloud) -> str:
    """Return the two entries of clouds.yaml: the cloud's administrator, and its tenant with `-demo` at the end."""
    lines = ""
    for entry, user in ((cloud.name, "admin"), (f"{cloud.name}-demo", "demo")):
        lines += (
            f"  {entry}:\n"
            "    region_name: RegionOne\n"
            "    identity_api_version: 3\n"
            f"    auth: {{auth_url: '{cloud.keystone}', username: {user}, password: {user}pw, project_name: {user},"
            " user_domain_name: Default, project_domain_name: Default}\n"
        )
    return lines


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    new.rename(path)


def _ini(sections: Sections) -> str:
    text = ""
    for section, values in sections.items():
        text += f"[{section}]\n" + "".join(f"{key} = {_value(value)}\n" for key, value in values.items())
    return text


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _database(cloud: Cloud, name: str) -> dict[str, object]:
    return {"connection": cloud.database_url(name), "max_pool_size": 5, "max_overflow": 20}


def _client(cloud: Cloud, service: str) -> dict[str, object]:
    """How a service signs in."""
    return {
        "auth_url": cloud.keystone,
        "auth_type": "password",
        "project_domain_name": "Default",
        "user_domain_name": "Default",
        "project_name": "service",
        "username": service,
        "password": f"{service}pw",
        "region_name": "RegionOne",
    }


def _authtoken(cloud: Cloud, service: str) -> dict[str, object]:
    """How a service checks the tokens of others."""
    return {
        "www_authenticate_uri": cloud.keystone,
        "service_token_roles_required": True,
        "service_token_roles": "service",
        "memcache_use_advanced_pool": False,
        **_client(cloud, service),
    }


def _keystone(cloud: Cloud) -> Sections:
    return {
        "DEFAULT": _LOG,
        "database": _database(cloud, "keystone"),
        "token": {"provider": "fernet", "expiration": 86400},
        "fernet_tokens": {"key_repository": cloud.folder / "fernet"},
        "credential": {"key_repository": cloud.folder / "credential"},
        "cache": {"enabled": True, "backend": "dogpile.cache.memory_pickle"},
        "identity": {"password_hash_algorithm": "bcrypt", "password_hash_rounds": 4},
    }


def _placement(cloud: Cloud) -> Sections:
    return {
        "DEFAULT": _LOG,
        "api": {"auth_strategy": "keystone"},
        "placement_database": _database(cloud, "placement"),
        "keystone_authtoken": _authtoken(cloud, "placement"),
    }


def _glance(cloud: Cloud) -> Sections:
    return {
        "DEFAULT": {
            **_LOG,
            "enabled_backends": "local:file",
            "enabled_import_methods": "[glance-direct]",
            "worker_self_reference_url": cloud.url("glance"),
        },
        "database": _database(cloud, "glance"),
        "glance_store": {"default_backend": "local"},
        "local": {"filesystem_store_datadir": cloud.folder / "images"},
        "os_glance_staging_store": {"filesystem_store_datadir": cloud.folder / "state" / "staging"},
        "os_glance_tasks_store": {"filesystem_store_datadir": cloud.folder / "state" / "tasks"},
        "paste_deploy": {"flavor": "keystone", "config_file": cloud.folder / "glance" / "glance-api-paste.ini"},
        "oslo_concurrency": {"lock_path": cloud.folder / "lock"},
        "keystone_authtoken": _authtoken(cloud, "glance"),
    }


def _neutron(cloud: Cloud) -> Sections:
    """No agents: the mechanism driver `alwaysbind` binds each port at once; routers and floating IPs are records."""
    return {
        "DEFAULT": {
            **_LOG,
            "state_path": cloud.folder / "state",
            "core_plugin": "ml2",
            "service_plugins": "router",
            "transport_url": "fake:/",
            "auth_strategy": "keystone",
            "api_paste_config": cloud.folder / "neutron" / "api-paste.ini",
            "notify_nova_on_port_status_changes": False,
            # so that a floating IP shows at once among a server's addresses
            "notify_nova_on_port_data_changes": True,
            "rpc_workers": 0,
            "rpc_state_report_workers": 0,
            "api_workers": 0,
            "dhcp_agent_notification": False,
        },
        "database": _database(cloud, "neutron"),
        "oslo_concurrency": {"lock_path": cloud.folder / "lock"},
        "ml2": {
            "type_drivers": "local,flat,vlan",
            "tenant_network_types": "local",
            "mechanism_drivers": "alwaysbind",
            "extension_drivers": "port_security",
        },
        "nova": _client(cloud, "nova"),
        "securitygroup": {"enable_security_group": True},
        "keystone_authtoken": _authtoken(cloud, "neutron"),
    }


def _nova(cloud: Cloud, limits: Limits) -> Sections:
    driver, builds, (host, *more_hosts) = DRIVERS[limits.driver]
    return {
        "DEFAULT": {
            **_LOG,
            "host": host,
            "my_ip": "127.0.0.1",
            "state_path": cloud.folder / "state",
            "instances_path": cloud.folder / "state" / "instances",
            "transport_url": "fake:/",
            "compute_driver": driver,
            "vif_plugging_is_fatal": False,
            "vif_plugging_timeout": 0,
            "heal_instance_info_cache_interval": -1,
            # a machine that ended by itself, or by the lab's stop, becomes SHUTOFF within this time
            "sync_power_state_interval": 60,
            "running_deleted_instance_poll_interval": 0,
            "image_cache_manager_interval": -1,
            "max_concurrent_builds": builds,
            "service_down_time": 600,
            "periodic_fuzzy_delay": 0,
            "report_interval": 60,
        },
        "api_database": _database(cloud, "nova_api"),
        "database": _database(cloud, "nova_cell1"),
        "api": {"auth_strategy": "keystone"},
        "wsgi": {"api_paste_config": cloud.folder / "nova" / "api-paste.ini"},
        "quota": {"driver": "nova.quota.DbQuotaDriver", "instances": limits.quota, "cores": 200, "ram": 204800},
        "glance": {"api_servers": cloud.url("glance"), "num_retries": 1},
        "placement": _client(cloud, "placement"),
        "neutron": _client(cloud, "neutron"),
        "service_user": {"send_service_user_token": True, **_client(cloud, "nova")},
        "scheduler": {"discover_hosts_in_cells_interval": 2, "workers": 1},
        "conductor": {"workers": 1},
        "filter_scheduler": {"track_instance_changes": False},
        "vnc": {"enabled": False},
        "oslo_concurrency": {"lock_path": cloud.folder / "lock"},
        "lab": {"more_hosts": ",".join(more_hosts)},
        "xenmachine": {
            "machines_path": cloud.machines,
            "golden_path": limits.images,
            "servers": limits.servers,
            "forwarded_ports": limits.forwards,
        },
        "keystone_authtoken": _authtoken(cloud, "nova"),
    }
