"""Two fake clouds, a real database and a clock that is moved by hand, for tests of the pool's loop."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import select

from tests.contracts.fake_cloud import HOST_KEY, FakeCloud
from tests.pool_settings import make_settings
from xenci.errors import XenciError
from xenci.host.port import Host, Output
from xenci.model.build import BuildsetState, BuildState
from xenci.model.node import NodeState
from xenci.services.context import Context
from xenci.services.nodes import advance_node
from xenci.services.pool import tick
from xenci.store.database import Database
from xenci.store.marks import open_alarms
from xenci.store.tables import BuildRow, BuildsetRow, ChangeRow, NodeRow, PatchsetRow

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


@dataclass
class FakeHost:
    """A machine that answers SSH."""

    address: str

    def run(self, command: str, *, timeout: timedelta, input: bytes = b"") -> Output:
        return Output(exit_code=0, stdout=b"Linux", stderr=b"")

    def close(self) -> None:
        pass


@dataclass(kw_only=True)
class World:
    """Two fake clouds, a real database, a clock that is moved by hand."""

    ctx: Context
    ca: FakeCloud
    cb: FakeCloud
    at: list[datetime]
    #: raised by SSH to whatever node
    silent: list[XenciError] = field(default_factory=list)

    def turn(self, times: int = 1, *, settle: bool = True, by: timedelta = 5 * SECOND) -> None:
        """Let some time pass, the loop turn, and every node be taken further."""
        for _ in range(times):
            self.at[0] += by
            if settle:
                self.ca.settle()
                self.cb.settle()
            tick(self.ctx)
            for row in self.rows(NodeState.BUILDING, NodeState.TESTING, NodeState.USED, NodeState.DELETING):
                advance_node(self.ctx, row.id)

    def rows(self, *states: NodeState) -> list[NodeRow]:
        with self.ctx.database.session() as session:
            rows = session.scalars(select(NodeRow).order_by(NodeRow.id))
            return [row for row in rows if not states or row.state in states]

    def alarms(self) -> dict[str, str]:
        with self.ctx.database.session() as session:
            return {row.key: row.detail for row in open_alarms(session)}

    def queue(self, builds: int) -> None:
        """Have builds wait for nodes."""
        with self.ctx.database.session() as session:
            change = ChangeRow(number=1, project="p", branch="b", key="I1", subject="s")
            patchset = PatchsetRow(change=change, number=1, sha="0" * 40, ref="r", uploaded_at=self.at[0])
            for number in range(builds):
                buildset = BuildsetRow(
                    patchset=patchset,
                    pipeline="check",
                    trigger="patchset",
                    trigger_key=f"key{number}",
                    uuid=f"set{number}",
                    state=BuildsetState.RUNNING,
                    triggered_at=self.at[0],
                )
                session.add(
                    BuildRow(buildset=buildset, job="job", attempt=1, uuid=f"b{number}", state=BuildState.QUEUED)
                )


MakeWorld = Callable[..., World]


@pytest.fixture
def make(database: Database, tmp_path: Path) -> MakeWorld:
    def make_world(**label: Any) -> World:
        at = [BEGIN]
        silent: list[XenciError] = []

        def clock() -> datetime:
            return at[0]

        def connect(address: str, user: str, host_key: str, port: int) -> Host:
            assert (user, host_key) == ("root", HOST_KEY)
            if silent:
                raise silent[0]
            return cast(Host, FakeHost(address))

        ca, cb = (FakeCloud(name, clock=clock) for name in ("ca", "cb"))
        nothing = cast(Any, None)
        ctx = Context(
            settings=make_settings(tmp_path, **label),
            database=database,
            clock=clock,
            gerrit=nothing,
            providers={"ca": ca, "cb": cb},
            connect=connect,
            mirrors=nothing,
            artifacts=nothing,
            public_key="ssh-ed25519 AAAA",
        )
        return World(ctx=ctx, ca=ca, cb=cb, at=at, silent=silent)

    return make_world
