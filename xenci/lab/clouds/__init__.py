"""The lab's two OpenStack clouds: real keystone, glance, neutron, placement and Nova; every server a real machine.

What lives here: how the clouds are made once (`environment`, `template`), configured (`conf`), started and ended
(`launch`, `machines`), and the four verbs that the rest of the lab uses. `run/` is code for the clouds' own Python: the
compute driver, the launcher of Nova, the seeding. It is data to this package, which never imports it.

What may not: anything about Gerrit or about how an image is built. A golden image is found in the cache's folder of
images and taken as it is.
"""

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from xenci.errors import Permanent
from xenci.lab import lock, processes
from xenci.lab.clouds import cached, conf, environment, launch, machines, network, template
from xenci.lab.clouds.layout import PORTS, Cloud, state
from xenci.lab.clouds.machines import Machine
from xenci.lab.paths import CLOUDS, LabPaths
from xenci.lab.progress import say, step
from xenci.store.embedded import Cluster

POSTGRES = "clouds-postgres"


class ServersInTheWay(Permanent):
    """The cloud has servers, which another compute driver would lose."""


def prepare(paths: LabPaths) -> None:
    """Make or verify what is cached: the Python environment of OpenStack and the template of the databases.

    From nothing it takes some minutes and wants a package index; afterwards a second, and no network. Raises
    ProgramMissing, PackagesNotInstalled, and ProgramFailed or CloudDidNotStart where the template cannot be made.
    """
    _prepare(paths, thorough=False)


def _prepare(paths: LabPaths, *, thorough: bool) -> None:
    environment.check_programs()
    with lock.held(paths.cache / "clouds" / "lock", "the clouds' packages and template"):
        environment.prepare(paths)
        template.prepare(paths, thorough=thorough)


def ports(paths: LabPaths) -> list[int]:
    """Return all TCP ports that the two clouds listen on, on 127.0.0.1."""
    return [Cloud.of(paths, name).port + offset for name in CLOUDS for offset in PORTS.values()]


def start(
    paths: LabPaths,
    only: Sequence[str] = CLOUDS,
    driver: str = "xenmachine",
    servers: int = 4,
    quota: int = 30,
) -> None:
    """Start the clouds, their PostgreSQL first, and write clouds.yaml; harmless where they run.

    `driver` is `xenmachine` or `fake`: a change makes the cloud anew, without servers. `servers` is how many of 8 GB
    fit into each cloud, `quota` how many the tenant may have; both count from a service's next start on. New golden
    images become images of the clouds. Raises PortBusy, CloudDidNotStart, ServersInTheWay, and what prepare() raises.
    """
    prepare(paths)
    clouds = [Cloud.of(paths, name) for name in only]
    launch.refuse_busy_ports(paths, clouds)
    forwards = f"{network.ssh_port(paths)}:{network.SSH}"
    limits = conf.Limits(driver=driver, servers=servers, quota=quota, images=paths.images, forwards=forwards)
    with lock.held(state(paths) / "lock", "this lab's clouds"):
        cluster = _database(paths)
        key = network.tenant_key(paths)
        with ThreadPoolExecutor(len(clouds)) as pool:
            for done in [pool.submit(_start, paths, cluster, cloud, limits, key) for cloud in clouds]:
                done.result()
        _write_clouds_yaml(paths)


def stop(paths: LabPaths) -> None:
    """End the machines, the services and the database, also what a crash left; harmless if nothing runs.

    The state stays: after the next start the servers are there and SHUTOFF.
    """
    for name in ("seed", *CLOUDS):
        cloud = Cloud.of(paths, name)
        launch.down(paths, cloud)
        machines.end_all(cloud)
    template.cluster_of(state(paths)).stop()
    processes.end(paths.run, POSTGRES)
    if processes.find(paths.run, "seed-postgres") is not None:
        template.end(paths)


def restart_nova(paths: LabPaths, cloud: str) -> None:
    """End Nova and placement of a cloud, or what a crash left of them, and start them; the machines go on meanwhile."""
    place = Cloud.of(paths, cloud)
    processes.end(paths.run, place.process("nova"))
    launch.start_nova(paths, place)
    launch.await_api(paths, place, "nova")
    launch.await_compute(paths, place)


def running_machines(paths: LabPaths) -> list[Machine]:
    """Return the machines that run in the clouds, by cloud, server, pid, memory in MB and fixed addresses."""
    return [machine for name in CLOUDS for machine in machines.running(Cloud.of(paths, name))]


def _database(paths: LabPaths) -> Cluster:
    """Start the clouds' PostgreSQL; a copy of the template's if there is none, or one of another template."""
    cluster = template.cluster_of(state(paths))
    made_of = state(paths) / "template"
    known = made_of.read_text() if made_of.exists() else None
    if known != template.fingerprint():
        if known is not None:
            say("the clouds are made anew, without servers, since the packages or the accounts have changed")
        stop(paths)
        for name in CLOUDS:
            shutil.rmtree(Cloud.of(paths, name).folder, ignore_errors=True)
        _prepare(paths, thorough=True)
        template.copy_databases(template.place(paths) / "pg", state(paths))
        made_of.write_text(template.fingerprint())
    cluster.start()
    template.adopt(paths, POSTGRES, cluster)
    return cluster


def _start(paths: LabPaths, cluster: Cluster, cloud: Cloud, limits: conf.Limits, key: Path) -> None:
    with step(f"cloud {cloud.name}: driver {limits.driver}, {cloud.keystone}"):
        mark = cloud.folder / "driver"
        known = mark.read_text() if mark.exists() else None
        if known != limits.driver:
            if machines.folders(cloud):
                raise ServersInTheWay(
                    f"{cloud.name} has {len(machines.folders(cloud))}, of driver {known}",
                    remedy="delete them, or start it with the driver it has",
                )
            launch.down(paths, cloud)
            template.clone(paths, cluster, cloud)
            mark.write_text(limits.driver)
        launch.up(paths, cloud, limits)
        _seed_tenant(paths, cloud, key)


def _seed_tenant(paths: LabPaths, cloud: Cloud, key: Path) -> None:
    """Give the tenant its network and key, and the cloud the images that it lacks; nothing if nothing is new."""
    images = golden_images(paths)
    wanted = cached.fingerprint(environment.RUN / "seed_tenant.py", key, cloud.net, *images)
    mark = cloud.folder / "seeded"
    if mark.exists() and mark.read_text() == wanted:
        return
    script = [str(environment.RUN / "seed_tenant.py"), cloud.name, cloud.net, str(key), *images]
    launch.run_program(paths, cloud, "python", script, log=paths.log / f"{cloud.name}-seed.log")
    mark.write_text(wanted)


def golden_images(paths: LabPaths) -> list[str]:
    """Return the names of the golden images in the cache that are whole."""
    found = (mark.parent for mark in paths.images.glob("*/complete"))
    return sorted(folder.name for folder in found if (folder / "machine.json").exists() and folder.name[0] != ".")


def _write_clouds_yaml(paths: LabPaths) -> None:
    """Write one clouds.yaml for all clouds that were ever started."""
    known = [Cloud.of(paths, name) for name in CLOUDS if Cloud.of(paths, name).clouds_yaml.exists()]
    conf.write_private(paths.clouds_yaml, "clouds:\n" + "".join(conf.clouds_yaml(cloud) for cloud in known))
