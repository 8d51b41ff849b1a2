"""What runs in the lab, since when, where and how big: for a person, for `--json`, and for the tests."""

import json
import shutil
import subprocess
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from xenci.lab import clouds, gerrit, images, processes, world
from xenci.lab.images.recipe import load
from xenci.lab.paths import CLOUDS, LabPaths

#: the size of the working group's nodes, which the lab's flavor has too; a small machine cannot give that much
NOMINAL = "8 GB, 4 vCPU"


@dataclass(frozen=True, slots=True, kw_only=True)
class GerritStatus:
    """Where Gerrit is."""

    url: str
    ssh_port: int
    #: OpenSSH file that pins its host keys
    known_hosts: str
    runs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """Where xenci's own pages are."""

    url: str
    answers: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStatus:
    """One live process."""

    name: str
    pid: int
    memory_mb: float
    since: datetime
    log: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineStatus:
    """One server of a cloud: a QEMU machine."""

    cloud: str
    server: str
    pid: int
    memory_mb: float
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The whole lab at one moment."""

    #: always true: what votes here is not the production
    is_lab: bool
    state: str
    cache: str
    config: str
    clouds_yaml: str
    secrets: str
    gerrit: GerritStatus
    #: names in clouds.yaml: tenants
    clouds: tuple[str, ...]
    dashboard: Dashboard
    processes: tuple[ProcessStatus, ...]
    machines: tuple[MachineStatus, ...]
    #: what the flavor of a node promises
    node_nominal: str
    #: what the emulated machine really has, by image
    node_truly: dict[str, str]
    #: MB by part of the cache
    cache_mb: dict[str, int]
    disk_free_gb: float
    memory_mb: float

    def to_json(self) -> str:
        """Return it as JSON; times are ISO 8601 in UTC."""
        return json.dumps(asdict(self), indent=2, default=lambda value: value.isoformat())


def read(paths: LabPaths) -> Status:
    """Look at the lab now."""
    live = tuple(
        ProcessStatus(
            name=process.name,
            pid=process.pid,
            memory_mb=round(process.memory_mb, 1),
            since=process.started_at,
            log=str(process.log),
        )
        for process in processes.all_of(paths.run)
        if process.lives
    )
    machines = tuple(
        MachineStatus(
            cloud=machine.cloud,
            server=machine.server,
            pid=machine.pid,
            memory_mb=round(machine.memory_mb, 1),
            addresses=machine.addresses,
        )
        for machine in clouds.running_machines(paths)
    )
    return Status(
        is_lab=True,
        state=str(paths.state),
        cache=str(paths.cache),
        config=str(paths.config),
        clouds_yaml=str(paths.clouds_yaml),
        secrets=str(paths.secrets),
        gerrit=GerritStatus(
            url=gerrit.url(paths),
            ssh_port=paths.gerrit_ssh,
            known_hosts=str(gerrit.known_hosts(paths)),
            runs=any(process.name == "gerrit" for process in live),
        ),
        clouds=tuple(f"{cloud}-demo" for cloud in CLOUDS),
        dashboard=Dashboard(url=f"http://127.0.0.1:{paths.web}/", answers=world.answers(paths)),
        processes=live,
        machines=machines,
        node_nominal=NOMINAL,
        node_truly={name: true_size((load(name).folder / "machine.json").read_text()) for name in images.names()},
        cache_mb=_cache_mb(paths),
        disk_free_gb=round(_free(paths.cache) / 2**30, 1),
        memory_mb=round(sum(p.memory_mb for p in live) + sum(m.memory_mb for m in machines), 1),
    )


def true_size(machine: str) -> str:
    """Return memory and processors that a machine.json gives QEMU, as `3 GB, 2 vCPU`."""
    words = json.loads(machine)["qemu"]
    memory, processors = (int(words[words.index(option) + 1]) for option in ("-m", "-smp"))
    size = f"{memory / 1024:g} GB" if memory >= 1024 else f"{memory} MB"
    return f"{size}, {processors} vCPU"


def _cache_mb(paths: LabPaths) -> dict[str, int]:
    """Return what each part of the cache takes on the disk, MB; a sparse file counts for what is in it.

    `du` walks the tens of thousands of files in a tenth of the time; what vanishes meanwhile it only mutters about.
    """
    parts = sorted(str(folder) for folder in paths.cache.glob("*") if folder.is_dir())
    if not parts:
        return {}
    done = subprocess.run(["du", "-s", "--block-size=1M", "--", *parts], capture_output=True, text=True, check=False)
    sizes = (line.split("\t", 1) for line in done.stdout.splitlines())
    return {Path(part).name: int(size) for size, part in sizes}


def _free(place: Path) -> int:
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free
