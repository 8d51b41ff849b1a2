"""xenci's steps on a real database, with a fake Gerrit, fake trees and its own clock; nudges are counted, not run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from sqlalchemy import select, text
from sqlalchemy.orm import joinedload, selectinload

from tests.contracts.fake_gerrit import FakeGerrit
from tests.contracts.memory_store import MemoryStore
from xenci.config.models import Settings
from xenci.gerrit.trees import CarryConflict, MergeConflict, Mirrors, Prepared
from xenci.services.context import Context
from xenci.store.database import Database
from xenci.store.marks import REPORTS_PAUSED, set_switch
from xenci.store.tables import BuildRow, BuildsetRow, NodeRow, PatchsetRow, ReportRow

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGjeZihIuVOStiEFGvt2IBIMB44XlkeNsEXHA+5aaPQ/"


class FakeMirrors:
    """Trees that are always what `outcome` says."""

    def __init__(self) -> None:
        self.outcome: Prepared | MergeConflict | CarryConflict = Prepared(
            repository=Path("/nowhere"),
            tip_sha="1" * 40,
            merged_sha="2" * 40,
            tree_sha="3" * 40,
            tip_tree_sha="4" * 40,
            carry=("libvirt: one", "libvirt: two"),
        )
        self.tip = "1" * 40
        self.asked: list[dict[str, Any]] = []
        self.kept: set[str] = set()

    def prepare(self, project: str, url: str, **more: Any) -> Prepared | MergeConflict | CarryConflict:
        self.asked.append({"project": project, "url": url} | more)
        self.kept.add(more["name"])
        return self.outcome

    def tips(self, project: str, url: str, branches: Sequence[str]) -> dict[str, str]:
        return dict.fromkeys(branches, self.tip)

    def is_busy(self, project: str) -> bool:
        return False

    def repository(self, project: str) -> Path:
        return Path("/nowhere")

    def projects(self) -> list[str]:
        return sorted({asked["project"] for asked in self.asked})

    def names(self, project: str) -> set[str]:
        return self.kept

    def forget(self, project: str, names: set[str]) -> None:
        self.kept -= names

    def tidy(self) -> None:
        pass


def make_settings(folder: Path, **more: Any) -> Settings:
    """An installation with one provider, one job and one voting pipeline."""
    labels = [{"name": "xen", "max_nodes": 4}]
    return Settings.model_validate(
        {
            "system": "test",
            "contact": "https://example.org/contact",
            "state_dir": folder,
            "gerrit": {
                "url": "http://127.0.0.1:1/",
                "ssh": {"host": "127.0.0.1", "user": "ci", "key_file": "key", "host_key": HOST_KEY},
                "user": "xen-project-ci",
            },
            "providers": [
                {
                    "name": "ca",
                    "cloud": "ca",
                    "failure_domain": "ca",
                    "network": "lab",
                    "max_servers": 4,
                    "labels": [{"name": "xen", "image": "xen", "flavor": "big"}],
                }
            ],
            "labels": labels,
            "jobs": [{"name": "xen-tempest", "label": "xen", "tests": ["a.B.test_c"], "branches": ["stable/2025.1"]}],
            "pipelines": [
                {
                    "name": "check",
                    "mode": "vote",
                    "trigger": {"projects": ["openstack/nova"], "irrelevant_files": ["^doc/"]},
                    "jobs": ["xen-tempest"],
                }
            ],
            "web": {"public_url": "http://127.0.0.1/"},
            "artifacts": {"min_free_gb": 0},
        }
        | more
    )


@dataclass(slots=True)
class World:
    """All that a test holds in its hands."""

    database: Database
    folder: Path
    now: datetime = BEGIN
    gerrit: FakeGerrit = field(init=False)
    mirrors: FakeMirrors = field(default_factory=FakeMirrors)
    ctx: Context = field(init=False)

    def __post_init__(self) -> None:
        self.gerrit = FakeGerrit(clock=lambda: self.now)
        self.ctx = Context(
            settings=make_settings(self.folder),
            database=self.database,
            clock=lambda: self.now,
            gerrit=self.gerrit,
            providers={},
            connect=_no_host,
            mirrors=cast(Mirrors, self.mirrors),
            artifacts=MemoryStore(),
            public_key="ssh-ed25519 AAAA",
        )
        self.pause(False)

    def pause(self, paused: bool) -> None:
        with self.database.session() as session:
            set_switch(session, REPORTS_PAUSED, {"paused": paused}, by="test", at=self.now)

    def later(self, **much: float) -> None:
        self.now += timedelta(**much)

    def nudges(self, step: str) -> list[int]:
        """Return the rows that wait for a step."""
        query = text("select (args->>'row')::int as row from procrastinate_jobs where task_name = :step order by id")
        with self.database.session() as session:
            return [row.row for row in session.execute(query, {"step": step})]

    def buildsets(self) -> list[BuildsetRow]:
        with self.database.session() as session:
            whole = (
                selectinload(BuildsetRow.builds),
                selectinload(BuildsetRow.reports),
                joinedload(BuildsetRow.patchset).joinedload(PatchsetRow.change),
            )
            return list(session.scalars(select(BuildsetRow).options(*whole).order_by(BuildsetRow.id)))

    def reports(self) -> list[ReportRow]:
        with self.database.session() as session:
            return list(session.scalars(select(ReportRow).order_by(ReportRow.id)))

    def give_node(self, build_id: int) -> NodeRow:
        """Put a build onto a node of its own, as dispatch does."""
        with self.database.session() as session:
            build = session.get_one(BuildRow, build_id)
            node = NodeRow(
                name=f"test-node-{build_id:06}",
                label="xen",
                provider="ca",
                state="in-use",
                address="127.0.0.2",
                host_key=HOST_KEY,
                build_id=build_id,
                facts={"xen_version": "4.17.5"},
                created_at=self.now,
                state_at=self.now,
                ready_at=self.now,
            )
            session.add(node)
            session.flush()
            build.node_id, build.state, build.step, build.started_at = node.id, "running", "tree", self.now
            return node


def _no_host(*_: object) -> Any:
    raise AssertionError("no node is asked in this test")


MakeWorld = Callable[[], World]
