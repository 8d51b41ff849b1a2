"""Fills a database with a believable history: good, bad, ours, timed out, not run, in conflict, running, hostile."""

from datetime import datetime
from pathlib import Path

from tests.browser.sample import Sample
from tests.browser.sample_builds import BAD, CARRY, GOOD_TESTS, HOSTILE, bad_logs, bad_tests, long_log
from xenci.store import marks, schema
from xenci.store.database import Database
from xenci.store.tables import CommentRow, EventRow, ProviderRow, StrayRow


def fill(database: Database, artifacts_dir: Path, now: datetime) -> Sample:
    """Make the tables and the whole history."""
    schema.upgrade(database)
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
    """Seventy builds over thirteen days, with a day without any."""
    for i in range(70):
        ago = (13 - i * 0.18) * 1440 + 7 * (i % 9)
        if 6.0 <= ago / 1440 < 8.1:
            continue
        patchset = s.change(f"objects: drop an unused method, part {i + 1}", ago=ago, owner=f"author-{i % 4}")
        result, fault = "SUCCESS", "none"
        vote: int | None = 1
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
        )
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
    conflict: dict[str, object] = {"files": ["nova/virt/libvirt/utils.py"], "tip_sha": "4c1f"}
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
    named = s.change("api: name the field", ago=2)
    waiting = s.buildset(named, "waiting", ago=2, state="running", found_by="reconcile")
    s.session.add(
        EventRow(
            received_at=s.minutes(1.5), source="reconcile", type="found", payload={}, change=named.change.number,
            patchset=1, outcome="Found by looking at the change: started buildset 8.",
        )
    )  # fmt: skip
    marks.set_watermark(s.session, "reconcile", at=s.minutes(3))
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
    s.artifact(build, "a+b@c=d,e:f~g.txt", HOSTILE.encode())
    # names that no store would take, lying there all the same
    s.artifact(build, "a\"b'c <img src=x onerror=boom()> #?%.txt", HOSTILE.encode())
    s.artifact(build, f"gone/{'x' * 250}", b"")
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
    s.session.add(ProviderRow(name="ca", listed_at=s.minutes(0.2), servers=1, quota=10))
    s.session.add(
        ProviderRow(
            name="cb",
            listed_at=s.minutes(12),
            servers=2,
            failing_since=s.minutes(11),
            error="cb does not answer: 503 Service Unavailable.",
            remedy="It is asked again by itself.",
        )
    )
    stray = {"provider": "cb", "cloud_id": "5c2e", "name": "sample-node-000001", "times": 2}
    s.session.add(StrayRow(first_seen_at=s.minutes(4), seen_at=s.minutes(1), **stray))
    marks.audit(s.session, who="lead", what="resumed reports", reason="the sandbox month is over", at=s.minutes(2000))
