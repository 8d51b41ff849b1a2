"""A believable history in a real database, with logs on disk, for looking at the pages and for testing them.

The bad build's stream is a recorded one (a change that breaks Xen), its log lines have the shapes of the node's logs.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy.orm import Session

from tests.browser.sample_builds import CARRY, GOOD_TESTS
from xenci.config.models import Settings
from xenci.store.tables import (
    ArtifactRow,
    BuildRow,
    BuildsetRow,
    ChangeRow,
    EventRow,
    EvidenceRow,
    NodeRow,
    PatchsetRow,
    PhaseRow,
    ReportRow,
    TestRow,
)

SETTINGS = """
system: sample
is_lab: true
contact: http://127.0.0.1/contact
state_dir: {state}
reports_start_paused: false
gerrit:
  url: http://127.0.0.1:15080/
  user: xenci
  ssh: {{host: 127.0.0.1, port: 15029, user: xenci, key_file: key, host_key: ssh-ed25519 AAAA}}
providers:
  - name: ca
    cloud: ca
    failure_domain: here
    network: n
    max_servers: 2
    labels: [{{name: xen, image: xen, flavor: v, price_per_hour: 0.07}}]
  - name: cb
    cloud: cb
    failure_domain: here
    network: n
    max_servers: 2
    labels: [{{name: xen, image: xen, flavor: v, price_per_hour: 0.07}}]
labels:
  - {{name: xen, min_ready: 1, max_nodes: 4, true_size: "3 GB and 1 vCPU, emulated"}}
jobs:
  - name: nova-xen-tempest
    label: xen
    tests: [tempest.api.compute.servers.test_create_server.ServersTestJSON]
    carry:
      - {{project: openstack/nova, branch: ".*", series: /etc/carry/nova-2025.1, patches: ["000"]}}
pipelines:
  - {{name: check, mode: vote, trigger: {{projects: [openstack/nova]}}, jobs: [nova-xen-tempest]}}
web: {{public_url: "http://127.0.0.1:8088/"}}
"""


def sample_settings(state: Path) -> Settings:
    """Return the settings of the sample's installation."""
    return Settings.model_validate(yaml.safe_load(SETTINGS.format(state=state)))


@dataclass(slots=True, kw_only=True)
class Sample:
    """Fills a database; the addresses of what it made are in `builds` and `buildsets`, by name."""

    session: Session
    artifacts_dir: Path
    now: datetime
    builds: dict[str, str] = field(default_factory=dict)
    buildsets: dict[str, str] = field(default_factory=dict)
    #: numbers of changes, by the name of their buildset
    changes: dict[str, int] = field(default_factory=dict)
    _number: int = 100

    def minutes(self, ago: float) -> datetime:
        """Return the moment so many minutes ago."""
        return self.now - timedelta(minutes=ago)

    def change(self, subject: str, *, ago: float, files: list[str] | None = None, **more: Any) -> PatchsetRow:
        """Make a change with one patch set."""
        self._number += 1
        row = ChangeRow(
            number=self._number, project="openstack/nova", branch="stable/2025.1", key=f"I{self._number:040x}",
            subject=subject, owner=more.pop("owner", "A Developer"), status=more.pop("status", "NEW"), wip=False,
            private=False, topic="", url=f"http://127.0.0.1:15080/c/openstack/nova/+/{self._number}", seen_at=self.now,
        )  # fmt: skip
        self.session.add(row)
        return self.patchset(row, 1, ago=ago, files=files, **more)

    def patchset(self, change: ChangeRow, number: int, *, ago: float, **more: Any) -> PatchsetRow:
        """Add a patch set to a change."""
        row = PatchsetRow(
            change=change, number=number, sha=f"{change.number:04x}{number:036x}",
            ref=f"refs/changes/{change.number % 100:02d}/{change.number}/{number}", kind="REWORK",
            files=more.get("files") or ["nova/virt/libvirt/driver.py"], uploaded_at=self.minutes(ago),
            not_run=more.get("not_run"), seen_at=self.minutes(ago),
        )  # fmt: skip
        self.session.add(row)
        self.session.flush()
        self.session.add(
            EventRow(
                received_at=self.minutes(ago),
                source="stream",
                type="patchset-created",
                payload={},
                change=change.number,
                patchset=number,
                outcome=more.get("not_run") or "buildset made",
            )
        )
        return row

    def buildset(self, patchset: PatchsetRow, name: str, *, ago: float, **more: Any) -> BuildsetRow:
        """Add a buildset to a patch set."""
        uuid = f"{len(self.buildsets) + 1:08x}-5e70-4000-8000-000000000000"
        self.buildsets[name] = uuid
        self.changes[name] = patchset.change.number
        row = BuildsetRow(
            patchset=patchset, pipeline="check", trigger=more.pop("trigger", "patchset"), trigger_key=uuid,
            asked_by=more.pop("asked_by", ""), uuid=uuid, state=more.pop("state", "done"),
            reasons=more.pop("reasons", []), triggered_at=self.minutes(ago), created_at=self.minutes(ago),
            tip_sha="4c1f0e2" + "0" * 33,
            merged_sha=None if more.get("conflict") else "3e5d" + "0" * 36, **more,
        )  # fmt: skip
        self.session.add(row)
        self.session.flush()
        return row

    def build(self, buildset: BuildsetRow, name: str, *, ago: float, lasted: float | None, **more: Any) -> BuildRow:
        """Add a build to a buildset; `lasted` is None while it runs."""
        uuid = f"{len(self.builds) + 1:08x}-b01d-4000-8000-000000000000"
        self.builds[name] = uuid
        done = lasted is not None
        row = BuildRow(
            buildset=buildset, job="nova-xen-tempest", attempt=more.pop("attempt", 1), uuid=uuid,
            state=more.pop("state", "done" if done else "running"), step="", doing=more.pop("doing", ""),
            reasons=more.pop("reasons", []), created_at=self.minutes(ago + 1), started_at=self.minutes(ago),
            finished_at=self.minutes(ago - lasted) if lasted is not None else None,
            tree_sha="a91be07" + "1" * 33, tip_tree_sha="77be07a" + "2" * 33, carry=CARRY,
            counts=more.pop("counts", {}), memory={}, **more,
        )  # fmt: skip
        self.session.add(row)
        self.session.flush()
        return row

    def node(self, name: str, provider: str, state: str, build: BuildRow | None = None, *, ago: float = 30) -> NodeRow:
        """Add a node, and give it to a build."""
        ready = state not in ("building", "testing")
        row = NodeRow(
            name=name, label="xen", provider=provider, state=state, reason="", server_id=f"id-{name}",
            address="127.153.0.10", facts={"xen_version": "4.17.5", "libvirt_version": "9.0.0"} if ready else {},
            build_id=build.id if build else None, created_at=self.minutes(ago), active_at=self.minutes(ago - 1),
            ready_at=self.minutes(ago - 2) if ready else None, state_at=self.minutes(2),
            deleted_at=self.minutes(max(ago - 11, 0)) if state == "deleted" else None,
        )  # fmt: skip
        self.session.add(row)
        self.session.flush()
        if build is not None:
            build.node = row
        return row

    def tests(self, build: BuildRow, rows: list[dict[str, Any]]) -> None:
        """Add tests to a build."""
        self.session.add_all(TestRow(build_id=build.id, **row) for row in rows)

    def good_tests(self, build: BuildRow, number: int | None = None) -> None:
        """Add tests that passed, two seconds each."""
        at = build.started_at
        assert at is not None
        self.tests(
            build,
            [
                {
                    "run": "first", "test_id": test_id, "status": "skip" if i % 11 == 7 else "success",
                    "started_at": at + timedelta(seconds=60 + 2 * i),
                    "finished_at": at + timedelta(seconds=62 + 2 * i),
                    "detail": "No SSH validation" if i % 11 == 7 else "",
                }
                for i, test_id in enumerate(GOOD_TESTS[:number])
            ],
        )  # fmt: skip

    def phases(self, build: BuildRow, *names: str) -> None:
        """Add phases, two minutes each, from the build's beginning."""
        at = build.started_at
        assert at is not None
        for i, name in enumerate(names):
            phase, _, run = name.partition(":")
            begins = at + timedelta(minutes=2 * i)
            ends = begins + timedelta(minutes=2)
            is_open = build.finished_at is None and i == len(names) - 1
            self.session.add(
                PhaseRow(
                    build_id=build.id,
                    phase=phase,
                    run=run or "first",
                    unit=f"xenci-{phase}",
                    started_at=begins,
                    deadline_at=begins + timedelta(hours=2),
                    finished_at=None if is_open else ends,
                    exit_code=None if is_open else 0,
                    outcome="" if is_open else "it ended by itself",
                )
            )

    def evidence(self, build: BuildRow) -> None:
        """Add the proof of the hypervisor and of the tree."""
        assert build.started_at is not None
        seen = build.started_at + timedelta(minutes=3)
        content = {"xl_info": {"xen_version": "4.17.5", "total_memory": 3071}, "libvirt_uri": "xen:///system"}
        guest = {"uuid": "aaf4bd05-0b8c-4d0c-9d0e-11b1a64b4c0e", "domain": "instance-00000002", "state": "running"}
        self.session.add(EvidenceRow(build_id=build.id, kind="host", seen_at=seen, content=content))
        self.session.add(EvidenceRow(build_id=build.id, kind="guest", seen_at=seen, content=guest))
        proof: dict[str, Any] = {
            "commit": build.tree_sha,
            "nova_file": "/opt/stack/nova/nova/__init__.py",
            "from_elsewhere": [],
            "changed_files": "",
            "checked_out_at": seen.timestamp() - 40,
            "began_at": seen.timestamp() - 31,
            "pid": 899,
            "modules": 1411,
        }
        build.proof = {"first": proof}

    def artifact(self, build: BuildRow, name: str, content: bytes) -> None:
        """Write a file of a build, with its row."""
        path = self.artifacts_dir / build.uuid / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.session.add(ArtifactRow(build_id=build.id, name=name, size=len(content), is_cut=False))

    def report(self, buildset: BuildsetRow, *, vote: int | None, state: str = "posted", **more: Any) -> None:
        """Add the comment of a buildset."""
        word = "succeeded" if vote == 1 else "failed"
        posted = buildset.finished_at if state == "posted" else None
        self.session.add(
            ReportRow(
                buildset_id=buildset.id,
                vote=vote,
                tag="autogenerated:xenproject:check",
                state=state,
                message=f"Build {word} (check pipeline).\n\n- nova-xen-tempest http://127.0.0.1:8088/buildset/"
                f"{buildset.uuid} : {buildset.result} in 0h 06m 30s\n",
                reason=more.get("reason", ""),
                attempts=more.get("attempts", 1),
                created_at=buildset.finished_at or self.now,
                next_at=buildset.finished_at or self.now,
                posted_at=posted,
                message_id="m1" if posted else None,
            )
        )
