"""What the tests of the pool on the lab's clouds share: a clock in a hurry, contexts whose calls are counted, looks."""

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import openstack
import yaml
from openstack.connection import Connection
from sqlalchemy import select

from tests.lab.test_pool_lab import make_context, rows, turn_until
from tests.pool_settings import LONG, make_settings
from xenci.clock import now
from xenci.config.models import Settings
from xenci.lab.clouds import network
from xenci.lab.paths import CLOUDS, LabPaths
from xenci.model.node import LIVE_STATES, NodeState
from xenci.providers.registry import open_provider
from xenci.services.context import Context
from xenci.services.nodes import request_delete
from xenci.store.database import Database
from xenci.store.tables import ApiCallRow, ProviderRow


class HastyClock:
    """A clock that goes so many times as fast as the true one: pauses and graces of minutes are over in seconds."""

    def __init__(self, factor: int) -> None:
        self._began, self._factor = now(), factor

    def __call__(self) -> datetime:
        return self._began + (now() - self._began) * self._factor


def pool_settings(
    lab: LabPaths, folder: Path, *, system: str, max_servers: int = 10, timeout: timedelta | None = None, **label: Any
) -> Settings:
    """Return settings of a pool on both clouds; what else is named becomes a setting of the label."""
    clouds = {cloud: f"{cloud}-demo" for cloud in CLOUDS}
    label = {"deadlines": LONG, "ssh_port": network.ssh_port(lab)} | label
    settings = make_settings(folder, clouds=clouds, system=system, **label)
    changed = {"max_servers": max_servers} | ({"api_timeout": timeout} if timeout else {})
    return settings.model_copy(
        update={"providers": tuple(one.model_copy(update=changed) for one in settings.providers)}
    )


def counting_context(settings: Settings, database: Database, *, factor: int = 1) -> Context:
    """Return a context that has real clouds and real SSH; what it asks of the clouds is counted."""
    ctx = make_context(settings, database)
    ctx = replace_clock(ctx, factor)
    reopen(ctx)
    return ctx


def reopen(ctx: Context) -> None:
    """Give a context clouds that it has not signed in to and knows nothing of."""
    ctx.providers = {
        one.name: open_provider(one, system=ctx.settings.system, calls=ctx.calls) for one in ctx.settings.providers
    }


def replace_clock(ctx: Context, factor: int) -> Context:
    """Let a context's time pass so many times as fast from now on; at 1 it is the true time."""
    ctx.clock = HastyClock(factor) if factor != 1 else now
    return ctx


def want(ctx: Context, **label: Any) -> None:
    """Change what the configuration says about the label."""
    changed = ctx.settings.labels[0].model_copy(update=label)
    ctx.settings = ctx.settings.model_copy(update={"labels": (changed,)})


def active(ctx: Context) -> Counter[str]:
    """Return how many live nodes each cloud has whose server is ACTIVE."""
    return Counter(row.provider for row in rows(ctx, *LIVE_STATES - {NodeState.DELETING}) if row.active_at)


def ready(ctx: Context) -> Counter[str]:
    """Return how many ready nodes each cloud has."""
    return Counter(row.provider for row in rows(ctx, NodeState.READY))


def errors(ctx: Context, provider: str) -> list[str]:
    """Return what is told of a cloud that fails: of its lists, and of its launches."""
    with ctx.database.session() as session:
        row = session.get(ProviderRow, provider)
        failed = [node.reason for node in rows(ctx) if node.provider == provider and node.failure]
        return failed + ([row.error] if row is not None and row.error else [])


def calls(ctx: Context) -> dict[tuple[str, str, str], int]:
    """Return how often each cloud was asked for what, as it is written down."""
    with ctx.database.session() as session:
        return {(row.provider, row.call, row.request): row.count for row in session.scalars(select(ApiCallRow))}


def give_up_all(ctx: Context) -> None:
    """Want no node any more, give up those that there are, and turn until their servers are gone."""
    want(ctx, min_ready=0)
    for row in rows(ctx, *LIVE_STATES):
        request_delete(ctx, row.id, "the test ends")
    turn_until(ctx, lambda: not rows(ctx, *LIVE_STATES))


def connection(clouds_yaml: Path, cloud: str) -> Connection:
    """Return a bare connection, as anybody who has an account may make one."""
    config = openstack.config.OpenStackConfig(config_files=[str(clouds_yaml)])
    return Connection(config=config.get_one(cloud))


def left(lab: LabPaths) -> dict[str, list[str]]:
    """Return what each tenant has of servers, servers' ports, floating IPs and key pairs, except the lab's own."""
    found = {}
    for cloud in CLOUDS:
        tenant = connection(lab.clouds_yaml, f"{cloud}-demo")
        ports = [port for port in tenant.network.ports() if str(port.device_owner).startswith("compute:")]
        things = {
            "server": tenant.compute.servers(),
            "port": ports,
            "floating IP": tenant.network.ips(),
            "key pair": (key for key in tenant.compute.keypairs() if key.name != "lab"),
        }
        found[cloud] = [f"{kind} {one.id}" for kind, all_ in things.items() for one in all_]
    return found


def forget_key(lab: LabPaths, pair: str) -> None:
    """Delete the key pair that is in use until its installation gets another key."""
    for cloud in CLOUDS:
        connection(lab.clouds_yaml, f"{cloud}-demo").compute.delete_keypair(pair)


def through(lab: LabPaths, folder: Path, *, service: str = "nova", **ports: int) -> Path:
    """Write a clouds.yaml in which the tenants of these clouds reach one service by these ports of this machine."""
    known = yaml.safe_load(lab.clouds_yaml.read_text())["clouds"]
    for cloud, port in ports.items():
        address, tenant = f"http://127.0.0.1:{port}", known[f"{cloud}-demo"]
        match service:
            case "nova":
                tenant["compute_endpoint_override"] = f"{address}/v2.1"
            case "neutron":
                tenant["network_endpoint_override"] = f"{address}/v2.0"
            case "glance":
                tenant["image_endpoint_override"] = address
            case "keystone":
                tenant["auth"]["auth_url"] = f"{address}/v3"
            case _:
                raise ValueError(service)
    path = folder / "clouds.yaml"
    path.write_text(yaml.safe_dump({"clouds": known}))
    return path
