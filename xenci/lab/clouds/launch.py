"""The processes of one cloud: start them, wait until they answer, end them.

Four processes serve a cloud: keystone, glance, neutron, and Nova with placement. They start side by side, since each is
patient with the others, and count as up only when every API listens and nova-compute is known.
"""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from xenci.errors import Permanent
from xenci.lab import processes
from xenci.lab.clouds import conf, environment
from xenci.lab.clouds.layout import PORTS, SERVICES, Cloud
from xenci.lab.paths import LabPaths

#: Seconds for a service to listen: seldom more than 20, but many times that beside several emulated machines.
PATIENCE = 600.0
#: Which process serves an API.
_SERVED_BY = {name: "nova" if name == "placement" else name for name in PORTS}


class CloudDidNotStart(Permanent):
    """A service of the lab's clouds did not start."""


class ProgramFailed(Permanent):
    """A program that fills the clouds' databases failed."""


class PortBusy(Permanent):
    """A port of the lab's clouds is taken by another program."""


def up(paths: LabPaths, cloud: Cloud, limits: conf.Limits) -> None:
    """Start a cloud's services and return when every API answers and nova-compute is known; harmless if they run.

    Raises PortBusy, and CloudDidNotStart with the last lines of the log.
    """
    cloud.folder.mkdir(parents=True, exist_ok=True)
    conf.write(cloud, environment.venv(paths) / "etc", limits)
    refuse_busy_ports(paths, [cloud])
    for name in ("keystone", "glance", "neutron"):
        start_api(paths, cloud, name)
    start_nova(paths, cloud)
    for name in PORTS:
        await_api(paths, cloud, name)
    await_compute(paths, cloud)


def start_api(paths: LabPaths, cloud: Cloud, name: str) -> None:
    """Start keystone, glance or neutron, without waiting; harmless if it runs."""
    _start(paths, cloud, name, ["serve.py", name, str(cloud.port + PORTS[name]), str(cloud.folder)])


def start_nova(paths: LabPaths, cloud: Cloud, *, compute: bool = True) -> None:
    """Start Nova with placement, without waiting; harmless if it runs."""
    if not _lives(paths, cloud, "nova"):
        cloud.ready.unlink(missing_ok=True)
    ports = [str(cloud.port + PORTS["nova"]), str(cloud.port + PORTS["placement"])]
    arguments = ["nova_aio.py", str(cloud.folder), *ports, *([] if compute else ["noncompute"])]
    _start(paths, cloud, "nova", arguments)


def await_api(paths: LabPaths, cloud: Cloud, name: str) -> None:
    """Wait until an API listens."""
    _await(paths, cloud, _SERVED_BY[name], partial(listens, cloud.port + PORTS[name]))


def await_compute(paths: LabPaths, cloud: Cloud) -> None:
    """Wait until nova-compute is known to its cloud."""
    _await(paths, cloud, "nova", cloud.ready.exists)


def down(paths: LabPaths, cloud: Cloud) -> None:
    """End a cloud's services; harmless if they do not run."""
    for name in SERVICES:
        processes.end(paths.run, cloud.process(name))
    cloud.ready.unlink(missing_ok=True)


def refuse_busy_ports(paths: LabPaths, clouds: Iterable[Cloud]) -> None:
    """Raise PortBusy if another program listens where a service that does not run yet would."""
    for cloud in clouds:
        busy = [
            cloud.port + offset
            for name, offset in PORTS.items()
            if not _lives(paths, cloud, _SERVED_BY[name]) and listens(cloud.port + offset)
        ]
        if busy:
            raise PortBusy(
                f"127.0.0.1, port {', '.join(map(str, busy))}, wanted by cloud {cloud.name}",
                remedy="end that program (`ss -ltnp` names it), or move the lab with XENCI_LAB_PORT",
            )


def listens(port: int, address: str = "127.0.0.1") -> bool:
    """Tell whether anything accepts connections on a TCP port."""
    try:
        with socket.create_connection((address, port), timeout=2):
            return True
    except OSError:
        return False


def service_environment() -> dict[str, str]:
    """Return what a service's environment has beside ours: less memory, our plugin, no proxy to ourselves."""
    direct = ",".join(filter(None, [os.environ.get("no_proxy"), "127.0.0.1", "localhost"]))
    return {
        "MALLOC_ARENA_MAX": "2",  # threads share memory arenas: a fifth less memory
        "PYTHONPATH": str(environment.RUN / "plugin"),
        "PYTHONDONTWRITEBYTECODE": "1",  # beside our own files
        "PYTHONUNBUFFERED": "1",
        "no_proxy": direct,
        "NO_PROXY": direct,
    }


def run_program(paths: LabPaths, cloud: Cloud, name: str, arguments: Sequence[str], *, log: Path) -> None:
    """Run one of the environment's programs for a cloud to its end; raise ProgramFailed with its last lines."""
    log.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [*environment.WITH_US, str(environment.python(paths).parent / name), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | service_environment() | {"OS_CLIENT_CONFIG_FILE": str(cloud.clouds_yaml)},
        cwd=cloud.folder,
    )
    with log.open("ab") as out:
        out.write(done.stdout)
    if done.returncode:
        last = " / ".join(done.stdout.decode(errors="replace").strip().splitlines()[-4:])
        raise ProgramFailed(f"{name} {' '.join(arguments)[-80:]}: {last}", remedy=f"read {log}")


def _start(paths: LabPaths, cloud: Cloud, name: str, arguments: list[str]) -> None:
    script, *rest = arguments
    processes.start(
        paths.run,
        cloud.process(name),
        [str(environment.python(paths)), str(environment.RUN / script), *rest],
        log=_log(paths, cloud, name),
        env=service_environment(),
        cwd=cloud.folder,
    )


def _lives(paths: LabPaths, cloud: Cloud, name: str) -> bool:
    known = processes.find(paths.run, cloud.process(name))
    return known is not None and known.lives


def _log(paths: LabPaths, cloud: Cloud, name: str) -> Path:
    return paths.log / f"{cloud.process(name)}.log"


def _await(paths: LabPaths, cloud: Cloud, name: str, is_up: Callable[[], bool]) -> None:
    limit = time.monotonic() + PATIENCE
    while not is_up():
        lives = _lives(paths, cloud, name)
        if not lives or time.monotonic() > limit:
            log = _log(paths, cloud, name)
            last = " / ".join(log.read_text(errors="replace").strip().splitlines()[-5:])
            what = f"is not up after {PATIENCE:.0f} s" if lives else "ended"
            raise CloudDidNotStart(f"{cloud.process(name)} {what}: {last}", remedy=f"read {log}")
        time.sleep(0.2)
