"""A believable history in a real database, with logs on disk, for looking at the pages and for testing them.

The bad build's stream is a recorded one (a change that breaks Xen), its log lines have the shapes of the node's logs.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy.orm import Session

from tests.browser.sample_builds import BAD, CARRY, GOOD_TESTS, HOSTILE, bad_logs, bad_tests, long_log
from xenci.config.models import Settings
from xenci.store import marks
from xenci.store.database import Database
from xenci.store.tables import (
    ArtifactRow,
    Base,
    BuildRow,
    BuildsetRow,
    ChangeRow,
    CommentRow,
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
  - {{name: ca, cloud: ca, failure_domain: here, network: n, max_servers: 2, labels: [{{name: xen, image: i, flavor: f}}]}}
  - {{name: cb, cloud: cb, failure_domain: here, network: n, max_servers: 2, labels: [{{name: xen, image: i, flavor: f}}]}}
labels:
  - {{name: xen, min_ready: 1, max_nodes: 4, true_size: "3 GB and 1 vCPU, emulated"}}
jobs:
  - name: nova-xen-tempest
    label: xen
    tests: [tempest.api.compute.servers.test_create_server.ServersTestJSON]
    carry:
      - {{project: openstack/nova, branch: ".*", series: /etc/xenci/carry/nova-2025.1, patches: ["0001", "0002", "0003", "0004"]}}
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
            )  # fmt: skip
        )
        return row

    def buildset(self, patchset: PatchsetRow, name: str, *, ago: float, **more: Any) -> BuildsetRow:
        """Add a buildset to a patch set."""
        uuid = f"{len(self.buildsets) + 1:08x}-5e70-4000-8000-000000000000"
        self.buildsets[name] = uuid
        row = BuildsetRow(
            patchset=patchset, pipeline="check", trigger=more.pop("trigger", "patchset"), trigger_key=uuid,
            asked_by=more.pop("asked_by", ""), uuid=uuid, state=more.pop("state", "done"),
            reasons=more.pop("reasons", []), triggered_at=self.minutes(ago), created_at=self.minutes(ago),
            tip_sha="4c1f0e2" + "0" * 33, **more,
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
            deleted_at=self.now if state == "deleted" else None,
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
                )  # fmt: skip
            )

    def evidence(self, build: BuildRow) -> None:
        """Add the proof of the hypervisor and of the tree."""
        assert build.started_at is not None
        seen = build.started_at + timedelta(minutes=3)
        content = {"xl_info": {"xen_version": "4.17.5", "total_memory": 3071}, "libvirt_uri": "xen:///system"}
        guest = {"uuid": "aaf4bd05-0b8c-4d0c-9d0e-11b1a64b4c0e", "domain": "instance-00000002", "state": "running"}
        self.session.add(EvidenceRow(build_id=build.id, kind="host", seen_at=seen, content=content))
        self.session.add(EvidenceRow(build_id=build.id, kind="guest", seen_at=seen, content=guest))
        proof = {
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
            )  # fmt: skip
        )


def fill(database: Database, artifacts_dir: Path, now: datetime) -> Sample:
    """Make the tables and the whole history."""
    Base.metadata.create_all(database.engine)
    with database.session() as session:
        sample = Sample(session=session, artifacts_dir=artifacts_dir, now=now)
        _history(sample)
        _good(sample)
        _bad(sample)
        _not_ours(sample)
        _no_build(sample)
        _running(sample)
        _hostile(sample)
        _marks(sample)
    return sample


def _history(s: Sample) -> None:
    """Sixty builds over thirteen days, with a day without any."""
    for i in range(60):
        ago = (13 - i * 0.2) * 1440 + 7 * (i % 9)
        if 6.0 <= ago / 1440 < 7.2:
            continue
        patchset = s.change(f"objects: drop an unused method, part {i + 1}", ago=ago, owner=f"author-{i % 4}")
        result, fault, vote = ("SUCCESS", "none", 1)
        if i % 13 == 5:
            result, fault, vote = ("NODE_FAILURE", "infra", None)
        elif i % 17 == 3:
            result, fault, vote = ("FAILURE", "unknown", None)
        elif i % 19 == 11:
            result, fault, vote = ("FAILURE", "change", -1)
        done = s.minutes(ago - 9)
        buildset = s.buildset(patchset, f"old-{i}", ago=ago, result=result, fault=fault, vote=vote, finished_at=done)
        build = s.build(buildset, f"old-{i}", ago=ago - 1, lasted=8, result=result, fault=fault)
        s.node(f"sample-node-{i:06d}", ("ca", "cb")[i % 2], "deleted", build, ago=ago)
        if result != "NODE_FAILURE":
            s.good_tests(build)
            s.evidence(build)
        s.report(buildset, vote=vote)


def _good(s: Sample) -> None:
    patchset = s.change("libvirt: say which emulator was chosen", ago=50, owner="Dana Developer")
    buildset = s.buildset(
        patchset, "good", ago=50, result="SUCCESS", fault="none", vote=1, finished_at=s.minutes(42),
        merged_sha="3e5d" + "0" * 36,
    )  # fmt: skip
    build = s.build(
        buildset, "good", ago=49, lasted=6.5, result="SUCCESS", fault="none",
        counts={"first": {"expected": len(GOOD_TESTS)}},
    )  # fmt: skip
    s.node("sample-node-000101", "ca", "deleted", build, ago=60)
    s.good_tests(build)
    s.phases(build, "tree", "nova", "tempest", "collect")
    s.evidence(build)
    s.artifact(build, "logs/nova.log", long_log(build.started_at or s.now, 4000))
    s.artifact(build, "node/xl-info.txt", b"xen_version            : 4.17.5\nxen_caps               : xen-3.0-x86_64\n")
    s.report(buildset, vote=1)


def _bad(s: Sample) -> None:
    patchset = s.change("libvirt: set timers for every guest", ago=40, owner="Dana Developer")
    reasons = [
        "1 test fails with this patch set, also when run again alone, and passes on the tip of its branch",
        "Its tests could not begin: setUpClass of ServersTestJSON failed.",
    ]
    buildset = s.buildset(
        patchset, "bad", ago=40, result="FAILURE", fault="change", vote=-1, finished_at=s.minutes(30), reasons=reasons
    )
    build = s.build(buildset, "bad", ago=39, lasted=8.5, result="FAILURE", fault="change", reasons=reasons)
    s.node("sample-node-000102", "cb", "deleted", build, ago=45)
    s.tests(build, bad_tests())
    s.phases(build, "tree", "nova", "tempest", "tempest:again", "nova:tip", "tempest:tip", "collect")
    s.evidence(build)
    for name, content in bad_logs().items():
        s.artifact(build, name, content)
    s.artifact(build, "tempest/first.subunit", BAD.read_bytes())
    s.report(buildset, vote=-1)
    s.session.add(
        CommentRow(
            change=patchset.change.number,
            patchset=1,
            message_id="m77",
            author="Dana Developer",
            posted_at=s.minutes(20),
            kind="recheck",
            text="recheck please",
            is_eligible=True,
        )  # fmt: skip
    )


def _not_ours(s: Sample) -> None:
    patchset = s.change("scheduler: weigh hosts by build failures", ago=90)
    buildset = s.buildset(patchset, "infra", ago=90, result="RETRY_LIMIT", fault="infra", finished_at=s.minutes(60))
    reasons = ["no SSH within 10 min"]
    lost = s.build(buildset, "lost", ago=89, lasted=10, result="NODE_FAILURE", fault="infra", reasons=reasons)
    s.node("sample-node-000090", "cb", "deleted", lost, ago=90)
    reasons = ["the Tempest phase passed its deadline of 2 h", "test_reboot_server_hard did not end"]
    slow = s.build(
        buildset, "timed-out", ago=75, lasted=14, attempt=2, result="TIMED_OUT", fault="unknown", reasons=reasons
    )
    s.node("sample-node-000091", "ca", "deleted", slow, ago=76)
    s.good_tests(slow, 12)
    hung = "tempest.api.compute.servers.test_server_actions.ServerActionsTestJSON.test_reboot_server_hard[id-2cb1baf6]"
    s.tests(
        slow,
        [
            {
                "run": "first", "test_id": hung, "status": "inprogress", "started_at": s.minutes(70),
                "finished_at": None, "detail": "",
            }
        ],
    )  # fmt: skip
    s.report(buildset, vote=None, state="pending", attempts=3, reason="Gerrit answers 503")


def _no_build(s: Sample) -> None:
    s.change("doc: mend a sentence about flavors", ago=25, files=["doc/source/index.rst"],
             not_run="only documentation files")  # fmt: skip
    conflict = {"files": ["nova/virt/libvirt/utils.py"], "tip_sha": "4c1f"}
    s.buildset(
        s.change("utils: reorder imports", ago=24), "merge", ago=24, result="MERGE_CONFLICT", fault="none",
        finished_at=s.minutes(24), conflict=conflict,
    )  # fmt: skip
    conflict = {
        "project": "openstack/nova", "patch": CARRY[2], "on_tip": False,
        "files": ["nova/virt/libvirt/driver.py", "nova/virt/libvirt/config.py"],
    }  # fmt: skip
    s.buildset(
        s.change("libvirt: split the guest's configuration", ago=23), "carry", ago=23, result="CARRY_CONFLICT",
        fault="infra", finished_at=s.minutes(23), conflict=conflict,
    )  # fmt: skip
    s.change("compute: not looked at yet", ago=0.1)


def _running(s: Sample) -> None:
    patchset = s.change("libvirt: read the machine type once", ago=9, owner="Robin Reviewer")
    s.patchset(patchset.change, 2, ago=7)
    buildset = s.buildset(patchset.change.patchsets[-1], "running", ago=7, state="running")
    build = s.build(
        buildset, "running", ago=6, lasted=None, doing="Tempest runs", counts={"first": {"expected": len(GOOD_TESTS)}}
    )
    s.node("sample-node-000110", "ca", "in-use", build, ago=20)
    s.node("sample-node-000111", "cb", "ready", ago=8)
    s.node("sample-node-000112", "cb", "building", ago=1)
    s.good_tests(build, 21)
    s.tests(
        build,
        [
            {
                "run": "first", "test_id": GOOD_TESTS[21], "status": "inprogress", "started_at": s.minutes(0.5),
                "finished_at": None, "detail": "",
            }
        ],
    )  # fmt: skip
    s.phases(build, "tree", "nova", "tempest")
    s.artifact(build, "logs/tempest.log", long_log(build.started_at or s.now, 300))
    waiting = s.buildset(s.change("api: name the field", ago=2), "waiting", ago=2, state="running")
    queued = s.build(waiting, "waiting", ago=1, lasted=None, state="queued", doing="waits for a node of label xen")
    queued.started_at = None
    queued.tree_sha = None


def _hostile(s: Sample) -> None:
    """Names and text as a malicious node or author would send them."""
    patchset = s.change(HOSTILE, ago=15, owner=HOSTILE)
    buildset = s.buildset(
        patchset, "hostile", ago=15, result="FAILURE", fault="unknown", finished_at=s.minutes(10), reasons=[HOSTILE]
    )
    build = s.build(buildset, "hostile", ago=14, lasted=4, result="FAILURE", fault="unknown", reasons=[HOSTILE])
    s.node("sample-node-000105", "cb", "deleted", build, ago=20)
    failed = {"run": "first", "status": "fail", "started_at": s.minutes(12), "finished_at": s.minutes(11)}
    s.tests(build, [{**failed, "test_id": f"a.b.{HOSTILE}", "detail": f"Traceback\n{HOSTILE}\nx.Y: {HOSTILE}"}])
    at = s.minutes(11)
    line = f"{at:%Y-%m-%d %H:%M:%S}.000 479 ERROR nova.compute.manager [-] {HOSTILE} \x1b[31mred\x1b[0m \x1b]0;t\x07\0x"
    s.artifact(build, "logs/nova.log", line.replace("\0", "").encode() + b"\nbroken: \xff\xfe\n")
    s.artifact(build, "a\"b'c <img src=x onerror=boom()> #?%.txt", HOSTILE.encode())
    s.artifact(build, "page.html", f"<!doctype html><title>x</title>{HOSTILE}".encode())
    s.evidence(build)
    s.session.flush()
    for row in build.evidence:
        row.content = {**row.content, HOSTILE: HOSTILE}


def _marks(s: Sample) -> None:
    marks.beat(s.session, "listener", at=s.minutes(0.1), detail="connected, last event 2 s ago")
    marks.beat(s.session, "worker", at=s.minutes(0.05), detail="4 jobs a minute")
    marks.beat(s.session, "reconcile", at=s.minutes(3), detail="looked through 12 open changes")
    marks.set_switch(s.session, marks.REPORTS_PAUSED, {"paused": False}, by="lead", at=s.minutes(2000))
    marks.raise_alarm(
        s.session, "provider:cb:quota", brief="The quota of cb is full", detail="403: Quota exceeded for instances",
        remedy="raise the quota, or lower max_servers of cb", at=s.minutes(33),
    )  # fmt: skip
    marks.raise_alarm(s.session, "gerrit:stream", brief="The event stream broke", at=s.minutes(300))
    marks.clear_alarm(s.session, "gerrit:stream", at=s.minutes(290))
    marks.audit(s.session, who="lead", what="resumed reports", reason="the sandbox month is over", at=s.minutes(2000))
