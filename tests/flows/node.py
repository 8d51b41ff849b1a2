"""A node that does what a test says: its units end as they are told to, and leave the files that they are told to."""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from subunit import StreamResultToBytes

from tests.contracts.local_host import LocalHost
from tests.flows.world import World, make_settings
from xenci.errors import NotFound, XenciError
from xenci.host.port import Chunk, CommandFailed, Output, Pipe, Unit, UnitLook, UnitState
from xenci.services.advance import advance
from xenci.services.consider import consider
from xenci.services.prepare import prepare
from xenci.store.tables import BuildRow, EvidenceRow, NodeRow, PhaseRow

TEST = "a.B.test_c"
BOOT = "a.Boot.test_guest"
PROOF, ATTEMPT = "/run/nova.proof", "/run/nova.attempt"


@dataclass(slots=True)
class ScriptedNode:
    """Answers like a machine. A unit without an ending runs on."""

    folder: Path
    address: str = "scripted"
    #: exit code of each unit by phase and run, such as `nova-first`; None: systemd cut it
    ends: dict[str, int | None] = field(default_factory=dict)
    #: called when a unit is started
    begins: dict[str, Callable[[], None]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    #: files that come in small pieces, and of which more is always there: name and most bytes of a look
    endless: dict[str, int] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    #: raised by every call
    silent: XenciError | None = None

    def run(self, command: str, *, timeout: timedelta, input: bytes = b"") -> Output:
        self._answer()
        return Output(exit_code=0, stdout=b"", stderr=b"")

    def start_unit(self, unit: Unit) -> bool:
        self._answer()
        name = _short(unit.name)
        if name in self.started:
            return False
        self.started.append(name)
        self.begins.get(name, lambda: None)()
        return True

    def stop_unit(self, unit: str) -> None:
        self._answer()

    def look(self, unit: str, follow: Mapping[str, int], *, limit: int = 256 * 1024) -> UnitLook:
        self._answer()
        code = self.ends.get(_short(unit), -1)
        state = {None: UnitState.GONE, -1: UnitState.RUNNING}.get(code, UnitState.EXITED)
        files = {path: self._chunk(path, offset, limit) for path, offset in follow.items()}
        return UnitLook(state=state, exit_code=code if state is UnitState.EXITED else None, reason="", files=files)

    def write(self, path: str, data: bytes, *, mode: int = 0o600) -> None:
        self._answer()

    def read(self, path: str, *, limit: int) -> bytes:
        self._answer()
        if path not in self.files:
            raise NotFound(path)
        return self.files[path][:limit]

    def pipe(self, command: str) -> AbstractContextManager[Pipe]:
        self._answer()
        if "/collected" not in command:
            raise CommandFailed("there is no libvirt")
        collected = self.folder / "collected"
        collected.mkdir(parents=True, exist_ok=True)
        (collected / "index.txt").write_text("what was collected")
        return LocalHost(self.folder / "host").pipe(f"cd {collected} && {command.split(' && ', 1)[1]}")

    def push_tree(self, repository: Path, commit: str, *, remote_path: str, ref: str, timeout: timedelta) -> None:
        self._answer()

    def close(self) -> None:
        pass

    def _chunk(self, path: str, offset: int, limit: int) -> Chunk:
        name = next((name for name in self.files if path.endswith(name)), "")
        data = self.files.get(name, b"")
        if (most := self.endless.get(name)) is not None:
            return Chunk(offset=offset, data=data[offset : offset + most], size=1 << 40)
        return Chunk(offset=offset, data=data[offset : offset + limit], size=len(data))

    def _answer(self) -> None:
        if self.silent is not None:
            raise self.silent


def _short(unit: str) -> str:
    """`nova-first` of `xenci-7-nova-first`."""
    return unit.split("-", 2)[2]


def scripted(world: World, **job: Any) -> tuple[int, ScriptedNode]:
    """Put a build onto a scripted node that does all well; return the build and the node."""
    wanted = {"name": "xen-tempest", "label": "xen", "tests": [TEST], "boot_tests": [BOOT]} | job
    world.ctx.settings = make_settings(world.folder, jobs=[wanted])
    consider(world.ctx, world.gerrit.push().change)
    prepare(world.ctx, world.buildsets()[-1].id)
    build = world.buildsets()[-1].builds[-1].id
    world.give_node(build)
    node = ScriptedNode(world.folder)
    world.ctx.hosts._connect = lambda *_: node
    node.ends |= dict.fromkeys(("nova-first", "nova-tip", "tempest-first", "tempest-tip", "collect-first"), 0)
    for run, tree, test in (("first", "3", TEST), ("tip", "4", BOOT)):
        node.begins[f"nova-{run}"] = partial(tell_proof, world, node, tree)
        node.files[f"tempest-{run}.subunit"] = subunit({test: "success"})
    with world.database.session() as session:
        for run in ("first", "tip"):
            session.add(EvidenceRow(build_id=build, kind="guest", seen_at=world.now, content={"run": run}))
    return build, node


def tell_proof(world: World, node: ScriptedNode, tree: str) -> None:
    """Have Nova run from a tree, and say so; the trees are told by their one digit."""

    at = world.now.timestamp()
    proof = {"commit": tree * 40, "checked_out_at": at, "began_at": at, "nova_file": "/opt/stack/nova/nova/__init__.py"}
    node.files[PROOF] = json.dumps(proof).encode()


def subunit(results: dict[str, str]) -> bytes:
    """Return a stream with the results of some tests."""

    stream = io.BytesIO()
    writer = StreamResultToBytes(stream)
    for name, status in results.items():
        writer.status(test_id=name, test_status="inprogress", timestamp=datetime(2026, 3, 1, tzinfo=UTC))
        writer.status(test_id=name, test_status=status, timestamp=datetime(2026, 3, 1, tzinfo=UTC))
    return stream.getvalue()


def go_on(world: World, build: int, *, most: int = 60) -> BuildRow:
    """Take a build further until it has ended, some seconds at a time."""
    for _ in range(most):
        if (row := read(world, build)).state == "done":
            return row
        advance(world.ctx, build)
        world.later(seconds=3)
    raise AssertionError(f"build {build} stands at {row.step}")


def read(world: World, build: int) -> BuildRow:
    with world.database.session() as session:
        row = session.get_one(BuildRow, build)
        _ = (row.phases, row.tests, row.buildset.builds)
        return row


def phases(row: BuildRow) -> Iterator[tuple[str, PhaseRow]]:
    return ((f"{phase.phase}-{phase.run}", phase) for phase in row.phases)


def node_of(world: World, build: int) -> NodeRow:
    with world.database.session() as session:
        return session.get_one(NodeRow, session.get_one(BuildRow, build).node_id)
