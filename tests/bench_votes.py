"""The way from Gerrit's event to a vote, with a job that runs nothing, on a real Gerrit of the lab's own kind.

What is measured is orchestration alone: event, look, buildset, verdict, outbox, review. Times are those at which
Gerrit's own event stream tells of the upload and of our vote, to a second listener in this process.
"""

import json
import os
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from xenci.config.load import load
from xenci.lab import gerrit, processes, settings, world
from xenci.lab.gerrit import people, rest, review
from xenci.lab.gerrit.people import DEV
from xenci.lab.paths import LabPaths, cache_dir
from xenci.services.streams import open_stream
from xenci.store.database import Database
from xenci.store.embedded import Cluster

#: changes one after the other, changes at once, changes while it is down, and seconds of watching it idle
SEQUENCE, BURST, MISSED, IDLE = 30, 50, 100, 20.0
PORT = 17000
_SANDBOX = "opendev/ci-sandbox"


@dataclass(slots=True)
class Times:
    """When Gerrit told of each upload and of each vote, seconds of the monotonic clock by change."""

    uploads: dict[int, float]
    votes: dict[int, float]

    def wait(self, change: int, *, seconds: float = 60) -> float:
        """Return how long a change waited for its vote."""
        limit = time.monotonic() + seconds
        while change not in self.votes:
            if time.monotonic() > limit:
                raise SystemExit(f"change {change} got no vote within {seconds:.0f} s")
            time.sleep(0.002)
        return self.votes[change] - self.uploads[change]


def measure(folder: Path) -> None:
    """Start a Gerrit and xenci, measure, print, and end both."""
    paths = LabPaths(state=folder / "gerrit-lab", cache=cache_dir(), port=PORT)
    try:
        gerrit.prepare(paths)
        gerrit.start(paths)
        _configure(paths)
        world.start_xenci(paths)
        with _watched(paths) as times:
            time.sleep(3)
            _show(paths, times)
    finally:
        world.down(paths)


def _configure(paths: LabPaths) -> None:
    settings.write_config(paths)
    config = yaml.safe_load(paths.config.read_text())
    config["gerrit"] |= {"settle": "0s", "reconcile_every": "5m"}
    for label in config["labels"]:
        label["min_ready"] = 0
    paths.config.write_text(yaml.safe_dump(config))
    auth = {"auth_url": "http://127.0.0.1:9/v3", "username": "u", "password": "p", "project_name": "p"}
    clouds = {name: {"auth": auth} for name in ("ca-demo", "cb-demo")}
    paths.clouds_yaml.write_text(yaml.safe_dump({"clouds": clouds}))


@contextmanager
def _watched(paths: LabPaths) -> Iterator[Times]:
    times = Times({}, {})
    stream = open_stream(load(paths.config))

    def watch() -> None:
        for line in stream.lines():
            if line is None:
                continue
            at, event = time.monotonic(), json.loads(line)
            number = event.get("change", {}).get("number")
            if event["type"] == "patchset-created":
                times.uploads[number] = at
            elif event["type"] == "comment-added" and event["author"].get("username") == people.CI.name:
                times.votes.setdefault(number, at)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield times
    finally:
        stream.close()


def _show(paths: LabPaths, times: Times) -> None:
    table = Table(box=None, title="From Gerrit's event to the vote, with a job that runs nothing", title_justify="left")
    for column in ("what", "measured"):
        table.add_column(column)
    least = statistics.median(_bare_review(paths) for _ in range(7))
    waits = sorted(times.wait(_push(paths)) for _ in range(SEQUENCE))
    p50, p95 = statistics.median(waits), waits[int(len(waits) * 0.95)]
    table.add_row("event to vote, p50", f"{p50:.2f} s, {p50 / least:.1f} times a bare read and review ({least:.2f} s)")
    table.add_row("event to vote, p95", f"{p95:.2f} s")
    table.add_row("event heard to queued", _heard_to_queued(paths))
    began, used = time.monotonic(), _cpu(paths)
    with ThreadPoolExecutor(4) as pool:
        changes = list(pool.map(lambda _: _push(paths), range(BURST)))
    for change in changes:
        times.wait(change)
    first = min(times.uploads[c] for c in changes)
    last_upload, last_vote = max(times.uploads[c] for c in changes), max(times.votes[c] for c in changes)
    busy = (_cpu(paths) - used) / (time.monotonic() - began)
    rate = (BURST - 1) / (last_upload - first)
    table.add_row(
        f"burst of {BURST}", f"pushed at {rate:.1f} a second; last vote {last_vote - last_upload:.2f} s later"
    )
    table.add_row("processor in the burst", f"{busy * 100:.0f} % of a core")
    table.add_row("caught up with", _catch_up(paths, times))
    time.sleep(5)
    began, used = time.monotonic(), _cpu(paths)
    time.sleep(IDLE)
    table.add_row("processor idle", f"{(_cpu(paths) - used) / (time.monotonic() - began) * 100:.1f} % of a core")
    table.add_row("memory", f"{_memory(paths):.0f} MB, xenci with web and its PostgreSQL (PSS)")
    Console().print(table)


def _heard_to_queued(paths: LabPaths) -> str:
    """Return how long the uploads that were heard waited for their buildsets, by xenci's own rows."""
    cluster = Cluster(settings.own_state(paths) / "database")
    database = Database(cluster.url("xenci"))
    heard = text(
        "select extract(epoch from b.created_at - min(e.received_at)) from buildsets b"
        " join patchsets p on p.id = b.patchset_id join changes c on c.id = p.change_id"
        " join events e on e.change = c.number and e.type = 'patchset-created'"
        " where b.found_by = 'stream' group by b.id"
    )
    with database.session() as session:
        waits = sorted(float(one) for one in session.scalars(heard))
    database.dispose()
    p50, p95 = statistics.median(waits), waits[int(len(waits) * 0.95)]
    return f"p50 {p50 * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms of {len(waits)} uploads, one after the other"


def _catch_up(paths: LabPaths, times: Times) -> str:
    """Push while xenci is down, and tell how fast it answers all when it is back: no push bounds that rate."""
    processes.end(paths.run, world.XENCI, patience=15)
    with ThreadPoolExecutor(4) as pool:
        changes = list(pool.map(lambda _: _push(paths), range(MISSED)))
    began = time.monotonic()
    world.start_xenci(paths)
    for change in changes:
        times.wait(change)
    votes = [times.votes[change] for change in changes]
    rate = (MISSED - 1) / (max(votes) - min(votes))
    last = max(votes) - began
    return f"{MISSED} changes pushed while it was down: {rate:.1f} a second, all {last:.1f} s after the start"


def _push(paths: LabPaths) -> int:
    """Make a change as the browser does; return its number."""
    made = _dev(paths).call(
        "POST", "changes/", {"project": _SANDBOX, "branch": "master", "subject": f"Try the CI {time.monotonic_ns()}"}
    )
    return int(made["_number"])


def _bare_review(paths: LabPaths) -> float:
    """Return how long reading a change and posting a vote on it takes without xenci."""
    reviewer = review.signed_in(paths, people.CI)
    made = _dev(paths).call(
        "POST", "changes/", {"project": "openstack/tempest", "branch": "master", "subject": f"Bare {time.time_ns()}"}
    )
    began = time.monotonic()
    reviewer.get(f"changes/{made['_number']}/detail?o=CURRENT_REVISION&o=CURRENT_FILES")
    body = {"message": "Build succeeded (check pipeline).", "labels": {"Verified": 1}}
    reviewer.call("POST", f"changes/{made['_number']}/revisions/current/review", body)
    return time.monotonic() - began


def _dev(paths: LabPaths) -> rest.Rest:
    return review.signed_in(paths, DEV)


def _pids(paths: LabPaths) -> list[int]:
    """Return xenci's process, its children, and its PostgreSQL with all of its processes."""
    process = processes.find(paths.run, world.XENCI)
    assert process is not None
    roots = {process.pid}
    postmaster = settings.own_state(paths) / "database" / "data" / "postmaster.pid"
    roots.add(int(postmaster.read_text().split("\n", 1)[0]))
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        parents[int(entry.parent.name)] = int(fields[1])
    return [pid for pid in parents if pid in roots or parents[pid] in roots]


def _cpu(paths: LabPaths) -> float:
    """Return the seconds of processor time used so far."""
    total = 0
    for pid in _pids(paths):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def _memory(paths: LabPaths) -> float:
    """Return the memory held, MB, shared pages counted once."""
    total = 0
    for pid in _pids(paths):
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return total / 1024
