"""One cloud's place: its folder, its ports, its addresses, its databases.

Everything that is somewhere is said here once, from the lab's paths, so that two labs on one machine never meet. The
cloud `seed` serves only while the template is made, from which each cloud is copied.
"""

from dataclasses import dataclass
from pathlib import Path

from xenci.lab.paths import LabPaths

#: A cloud's databases; in PostgreSQL each has the cloud's name before its own.
DATABASES = ("keystone", "placement", "glance", "neutron", "nova_api", "nova_cell0", "nova_cell1")
#: A cloud's APIs and how far each one's port lies above the first.
PORTS = {"keystone": 0, "placement": 1, "glance": 2, "neutron": 3, "nova": 4}
#: A cloud's processes, in the order in which they end; placement is served by nova's.
SERVICES = ("nova", "neutron", "glance", "keystone")


def state(paths: LabPaths) -> Path:
    """Return the folder of all clouds' state."""
    return paths.state / "clouds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """One cloud of a lab."""

    #: `ca`, `cb`, or `seed`
    name: str
    folder: Path
    #: first of its five TCP ports on 127.0.0.1
    port: int
    #: where PostgreSQL's socket is
    socket_dir: Path
    #: first three bytes of its two subnets: the tenants' (.0.0/24) and, in the records only, the external one (.1.0/24)
    net: str

    @classmethod
    def of(cls, paths: LabPaths, name: str) -> "Cloud":
        """Return a cloud of this lab."""
        return cls.in_folder(paths, name, state(paths))

    @classmethod
    def in_folder(cls, paths: LabPaths, name: str, parent: Path) -> "Cloud":
        """Return a cloud that lives, with its PostgreSQL, in another folder than the lab's state."""
        port = paths.cloud_port(name)
        return cls(name=name, folder=parent / name, port=port, socket_dir=parent / "pg", net=f"127.{port // 100}")

    def url(self, service: str) -> str:
        """Return the address of one of its APIs, without a path."""
        return f"http://127.0.0.1:{self.port + PORTS[service]}"

    @property
    def keystone(self) -> str:
        """The address where one signs in."""
        return self.url("keystone") + "/v3"

    def process(self, service: str) -> str:
        """Return the name of a service's process in the lab."""
        return f"{self.name}-{service}"

    def database(self, name: str) -> str:
        """Return the name of one of its databases in PostgreSQL."""
        return f"{self.name}_{name}"

    def database_url(self, name: str) -> str:
        """Return SQLAlchemy's URL of a database on its Unix socket: there is no port that a machine could reach."""
        return f"postgresql+psycopg2://postgres@/{self.database(name)}?host={self.socket_dir}"

    @property
    def machines(self) -> Path:
        """One folder for each server."""
        return self.folder / "machines"

    @property
    def ready(self) -> Path:
        """This file is there while nova-compute is known to its cloud."""
        return self.folder / "ready"

    @property
    def clouds_yaml(self) -> Path:
        """This cloud's part of the lab's clouds.yaml."""
        return self.folder / "clouds.yaml"
