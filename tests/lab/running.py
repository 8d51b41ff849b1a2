"""xenci as a process on the test lab: started, killed, asked; and what a test waits for."""

import json
import os
import signal
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import openstack
import yaml
from sqlalchemy import select

from xenci.config.load import load
from xenci.lab import clouds, processes, settings, world
from xenci.lab.gerrit import review
from xenci.lab.paths import LabPaths
from xenci.store.database import Database, open_database
from xenci.store.tables import BuildRow, BuildsetRow, ChangeRow, NodeRow, PatchsetRow

#: a short job: one that only asks, a class that boots a guest
SHORT = (
    "tempest.api.compute.test_versions.TestVersions.test_list_api_versions",
    "tempest.api.compute.servers.test_create_server.ServersTestJSON",
)
#: one that only asks; it fails where the tip is of the kind wrong-flavor
FLAVOR = ("tempest.api.compute.flavors.test_flavors.FlavorsV2TestJSON.test_get_flavor",)
_LOOK = 1.0
T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Running:
    """xenci on the test lab."""

    paths: LabPaths
    _database: Database | None = field(default=None)

    @property
    def web(self) -> str:
        return f"http://127.0.0.1:{self.paths.web}/"

    @property
    def database(self) -> Database:
        if self._database is None:
            self._database = open_database(load(self.paths.config))
        return self._database

    def start(self, *, tests: Sequence[str] | None = None, **job: Any) -> None:
        """Start it, with the lab's own job, or one of these tests and with these keys changed."""
        settings.write_config(self.paths)
        config = yaml.safe_load(self.paths.config.read_text())
        if tests is not None:
            config["jobs"][0]["tests"] = list(tests)
        config["jobs"][0] |= job
        self.paths.config.write_text(yaml.safe_dump(config))
        world.start_xenci(self.paths)

    @property
    def pid(self) -> int:
        process = processes.find(self.paths.run, world.XENCI)
        assert process is not None
        assert process.lives
        return process.pid

    def kill(self) -> None:
        """End it as a crash does."""
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        wait_for("the killed process to end", lambda: not _lives(self.paths), seconds=20)

    def stop(self) -> None:
        """End it by SIGTERM."""
        processes.end(self.paths.run, world.XENCI, patience=15)

    def close(self) -> None:
        """End it, and give its nodes back to the clouds: the next tests count servers there."""
        self.stop()
        config = openstack.config.OpenStackConfig(config_files=[str(self.paths.clouds_yaml)])
        for cloud in ("ca-demo", "cb-demo"):
            compute = openstack.connection.Connection(config=config.get_one(cloud)).compute
            for server in compute.servers():
                compute.delete_server(server)
        wait_for("the clouds to be empty", lambda: not clouds.running_machines(self.paths), seconds=600)
        if self._database is not None:
            self._database.dispose()

    def page(self, path: str) -> str:
        """Return a page's text."""
        with urllib.request.urlopen(self.web + path.lstrip("/"), timeout=60) as answer:
            return str(answer.read().decode())

    def api(self, path: str) -> Any:
        """Return what the JSON API says."""
        return json.loads(self.page(f"api/{path}"))

    def buildsets(self, change: int) -> list[BuildsetRow]:
        """Return a change's buildsets, with builds and all, as they are now."""
        with self.database.session() as session:
            query = select(BuildsetRow).join(PatchsetRow).join(ChangeRow).where(ChangeRow.number == change)
            found = list(session.scalars(query.order_by(BuildsetRow.id)))
            for buildset in found:
                _touch(buildset)
            return found

    def builds(self, change: int) -> list[BuildRow]:
        return [build for buildset in self.buildsets(change) for build in buildset.builds]

    def not_run(self, change: int) -> str | None:
        """Return why a change's newest patch set is not run."""
        with self.database.session() as session:
            query = select(PatchsetRow).join(ChangeRow).where(ChangeRow.number == change)
            found = session.scalars(query.order_by(PatchsetRow.number.desc())).first()
            return found.not_run if found is not None else None

    def nodes(self, *states: str) -> list[NodeRow]:
        with self.database.session() as session:
            return list(session.scalars(select(NodeRow).where(NodeRow.state.in_(states)).order_by(NodeRow.id)))

    def said(self, change: int) -> list[str]:
        """Return our comments on a change, as Gerrit has them."""
        return [text for text in review.messages(self.paths, change, author=_us()) if "pipeline)" in text]

    def vote(self, change: int) -> int:
        """Return our Verified value, as Gerrit has it; 0 for none."""
        return review.votes(self.paths, change).get(_us().name, 0)

    def wait_for(self, what: str, look: Callable[[], T], *, seconds: float) -> T:
        """Wait as `wait_for` does; where it fails, tell what xenci was doing."""
        return wait_for(what, look, seconds=seconds, tell=self.doing)

    def doing(self) -> str:
        """Return every build with its phases, every node, and the last of the log: for who reads of a failure."""
        with self.database.session() as session:
            lines = [
                f"build {build.id} of change {build.buildset.patchset.change.number}, attempt {build.attempt}: "
                f"{build.state} {build.result} {build.reasons} on node {build.node_id}: "
                + ", ".join(f"{p.phase}/{p.run} {_between(p.started_at, p.finished_at)}" for p in build.phases)
                for build in session.scalars(select(BuildRow).order_by(BuildRow.id))
            ]
            for node in session.scalars(select(NodeRow).order_by(NodeRow.id)):
                steps = (node.created_at, node.active_at, node.ssh_at, node.ready_at, node.deleted_at)
                times = " ".join(f"{at:%H:%M:%S}" if at else "-" for at in steps)
                lines.append(f"node {node.id} on {node.provider}: {node.state}, {node.reason!r}, {times}")
        log = self.paths.log / f"{world.XENCI}.log"
        return "\n".join([*lines, *log.read_text(errors="replace").splitlines()[-30:]])

    def await_reports(self, change: int, *, count: int = 1, minutes: float = 60) -> list[BuildsetRow]:
        """Wait until so many of a change's buildsets have ended and been reported, or dropped with a reason."""

        def done() -> list[BuildsetRow]:
            found = [b for b in self.buildsets(change) if b.result and b.reports]
            return found if len(found) >= count and all(r.state != "pending" for b in found for r in b.reports) else []

        return self.wait_for(f"{count} report(s) on change {change}", done, seconds=minutes * 60)


def wait_for(what: str, look: Callable[[], T], *, seconds: float, tell: Callable[[], str] = str) -> T:
    """Look until there is something to see; fail with what was waited for, and with what `tell` has to say of it."""
    limit = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < limit, f"waited {seconds:.0f} s for {what}\n{tell()}"
        time.sleep(_LOOK)
    return found


def _between(begin: datetime, end: datetime | None) -> str:
    """Return when a phase began and how long it took; without an end it goes on."""
    return f"{begin:%H:%M:%S}" + (f"+{(end - begin).total_seconds():.0f} s" if end is not None else " …")


def _touch(buildset: BuildsetRow) -> None:
    """Load what a test reads, while the session is open."""
    for build in buildset.builds:
        _ = (build.phases, build.tests, build.evidence, build.artifacts, build.node)
    _ = (buildset.reports, buildset.patchset)


def _us() -> Any:
    from xenci.lab.gerrit import people

    return people.CI


def _lives(paths: LabPaths) -> bool:
    process = processes.find(paths.run, world.XENCI)
    return process is not None and process.lives
