"""Gerrit away, deaf, slow or lying to us in the middle of sixty uploads and rechecks: each is run once, and told once.

The Gerrit is a real one of its own; what runs is the job that needs no node, in the project for trying things.
"""

import itertools
import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml
from sqlalchemy import func, select

from tests.lab.running import Running, wait_for
from tests.lab.wire import Wire
from xenci.lab import gerrit, processes, settings, world
from xenci.lab.gerrit import people, rest, review
from xenci.lab.gerrit import site as gerrit_site
from xenci.lab.gerrit.people import DEV, REVIEWER
from xenci.lab.paths import LabPaths, cache_dir
from xenci.store.marks import open_alarms
from xenci.store.tables import BuildsetRow, ChangeRow, PatchsetRow

pytestmark = [pytest.mark.lab, pytest.mark.timeout(2400)]

FOLDER = Path("/var/tmp/xenci-test-lab-outages")
PORT = 18000
#: uploads, and rechecks of changes that were told before
UPLOADS, RECHECKS = 40, 20
#: seconds that an outage lasts, beginning when a quarter of them was asked for
OUTAGE = 12
#: longest wait on a machine that is slow and busy with other things; seconds
PATIENCE = 900
_LOG = structlog.get_logger()
_SANDBOX = "opendev/ci-sandbox"
_SERIAL = itertools.count(1)
#: something that a person asks for, of a change or of none; returns the change
Wish = Callable[["Site", Any], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A Gerrit, xenci, and the two wires between them."""

    paths: LabPaths
    xenci: Running
    http: Wire
    ssh: Wire


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    paths = LabPaths(state=FOLDER, cache=cache_dir(), port=PORT)
    world.down(paths)
    shutil.rmtree(FOLDER, ignore_errors=True)
    http, ssh = Wire(paths.gerrit_http), Wire(paths.gerrit_ssh)
    running = Running(paths=paths)
    try:
        gerrit.prepare(paths)
        gerrit.start(paths)
        http.start()
        ssh.start()
        _configure(paths, http, ssh)
        world.start_xenci(paths)
        yield Site(paths=paths, xenci=running, http=http, ssh=ssh)
    finally:
        http.stop()
        ssh.stop()
        world.down(paths)


def _configure(paths: LabPaths, http: Wire, ssh: Wire) -> None:
    settings.write_config(paths)
    config = yaml.safe_load(paths.config.read_text())
    config["gerrit"] |= {"settle": "0s", "reconcile_every": "30s", "url": f"http://127.0.0.1:{http.port}/"}
    config["gerrit"]["ssh"] |= {"port": ssh.port, "keepalive": "3s", "silence": "60s"}
    for label in config["labels"]:
        label["min_ready"] = 0
    paths.config.write_text(yaml.safe_dump(config))
    # clouds that nobody can reach: nothing here needs a node
    auth = {"auth_url": "http://127.0.0.1:9/v3", "username": "u", "password": "p", "project_name": "p"}
    paths.clouds_yaml.write_text(yaml.safe_dump({"clouds": {name: {"auth": auth} for name in ("ca-demo", "cb-demo")}}))


@contextmanager
def killed(site: Site) -> Iterator[None]:
    """Gerrit ends as in a crash, in the middle of a push, and is started again."""
    process = processes.find(site.paths.run, "gerrit")
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    yield
    # with this lock left behind no push is ever taken again
    (gerrit_site.folder(site.paths) / "git" / f"{_SANDBOX}.git" / "packed-refs.lock").touch()
    gerrit.start(site.paths)


@contextmanager
def restarted(site: Site) -> Iterator[None]:
    """Gerrit is ended and started as an operator does."""
    gerrit.stop(site.paths)
    yield
    gerrit.start(site.paths)


@contextmanager
def hung(site: Site) -> Iterator[None]:
    """Gerrit holds every connection and answers none."""
    process = processes.find(site.paths.run, "gerrit")
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)


def slow(site: Site) -> AbstractContextManager[None]:
    """Whatever is said between xenci and Gerrit's REST takes long."""
    return site.http.as_("slow")


def without_http(site: Site) -> AbstractContextManager[None]:
    """REST is refused while the stream goes on."""
    return site.http.as_("refused")


def without_ssh(site: Site) -> AbstractContextManager[None]:
    """The stream is cut and refused while REST goes on: what is pushed meanwhile, nobody hears."""
    return site.ssh.as_("refused")


def mute(site: Site) -> AbstractContextManager[None]:
    """Gerrit takes each vote, and its answer never arrives."""
    return site.http.as_("mute")


@pytest.mark.parametrize(
    "outage", [killed, restarted, hung, slow, without_http, without_ssh, mute], ids=lambda outage: outage.__name__
)
def test_whatever_befalls_gerrit_each_upload_and_recheck_is_run_once_and_told_once(
    site: Site, told: list[int], outage: Callable[[Site], AbstractContextManager[None]]
) -> None:
    # after the outage before this one the listener may still pause before its next try
    wait_for("the stream to be heard", lambda: _is_heard(site), seconds=PATIENCE)
    before = _told(site, told)
    began = threading.Event()
    # one after the other, uploads and rechecks mixed, by three people at once
    wishes = [(_upload, None)] * UPLOADS + [(_recheck, change) for change in told]
    random.Random(outage.__name__).shuffle(wishes)
    with ThreadPoolExecutor(3) as people_at_work:
        asked = [people_at_work.submit(_ask, site, wish, number, began) for number, wish in enumerate(wishes)]
        assert began.wait(120)
        with outage(site):
            time.sleep(OUTAGE)
        over = time.monotonic()
        changes = [one.result(timeout=300) for one in asked]

    wanted = {change: before.get(change, 0) + 1 for change in changes}
    assert len(wanted) == UPLOADS + RECHECKS
    wait_for("every run to be told", lambda: _is_told(site, wanted), seconds=PATIENCE)
    _LOG.info("outage.over", of=outage.__name__, seconds_to_the_last_vote=round(time.monotonic() - over, 1))
    assert _runs(site, changes) == wanted
    assert _told(site, changes) == wanted
    for change in changes:
        assert review.votes(site.paths, _id(change))[people.CI.name] == 1
    if outage is mute:
        assert site.http.swallowed


def _is_heard(site: Site) -> bool:
    with site.xenci.database.session() as session:
        return all(alarm.key != "gerrit:stream" for alarm in open_alarms(session))


@pytest.fixture(scope="module")
def told(site: Site) -> list[int]:
    """Changes that were run and told before any outage."""
    changes = [_upload(site, None) for _ in range(RECHECKS)]
    wait_for("the first votes", lambda: _is_told(site, dict.fromkeys(changes, 1)), seconds=PATIENCE)
    return changes


def _ask(site: Site, wish: tuple[Wish, int | None], number: int, began: threading.Event) -> int:
    if number == (UPLOADS + RECHECKS) // 4:
        began.set()
    what, change = wish
    return what(site, change)


def _upload(site: Site, _: None) -> int:
    """Make a change as the browser does; as a person does, again if Gerrit is away."""
    subject = f"Try the CI {next(_SERIAL)} {time.time_ns()}"
    body = {"project": _SANDBOX, "branch": "master", "subject": subject}
    dev = review.signed_in(site.paths, DEV)

    def push() -> int | None:
        try:
            return int(dev.call("POST", "changes/", body)["_number"])
        except (rest.Silent, rest.Refused):
            # it may have been taken before the answer was lost
            return _found(site, subject)

    return wait_for("Gerrit to take a change", push, seconds=200)


def _found(site: Site, subject: str) -> int | None:
    reviewer = review.signed_in(site.paths, REVIEWER)
    try:
        found = reviewer.get(f"changes/?q=project:{_SANDBOX}+is:open&n=200")
    except (rest.Silent, rest.Refused):
        return None
    return next((int(one["_number"]) for one in found if one["subject"] == subject), None)


def _recheck(site: Site, change: int) -> int:
    """Ask for another run; as a person does, again if Gerrit is away, and not if it took it after all."""
    words = f"recheck {next(_SERIAL)}"

    def ask() -> bool:
        try:
            if not any(words in text for text in review.messages(site.paths, _id(change), author=REVIEWER)):
                review.comment(site.paths, _id(change), words)
        except (rest.Silent, rest.Refused):
            return False
        return True

    wait_for("Gerrit to take a recheck", ask, seconds=200)
    return change


def _id(change: int) -> str:
    """Return a change's id as Gerrit finds it without its index, which a crash leaves behind the facts."""
    return f"{rest.name(_SANDBOX)}~{change}"


def _runs(site: Site, changes: list[int]) -> dict[int, int]:
    with site.xenci.database.session() as session:
        query = (
            select(ChangeRow.number, func.count())
            .join(PatchsetRow, PatchsetRow.change_id == ChangeRow.id)
            .join(BuildsetRow, BuildsetRow.patchset_id == PatchsetRow.id)
            .where(ChangeRow.number.in_(changes))
            .group_by(ChangeRow.number)
        )
        return {int(number): int(count) for number, count in session.execute(query)}


def _told(site: Site, changes: list[int]) -> dict[int, int]:
    """Return how often we told of a run of each change, each with a link of its own."""
    told = {}
    for change in changes:
        ours = review.messages(site.paths, _id(change), author=people.CI)
        assert len({line for text in ours for line in text.splitlines() if "buildset/" in line}) == len(ours)
        told[change] = len(ours)
    return told


def _is_told(site: Site, wanted: dict[int, int]) -> bool:
    try:
        return all(count >= wanted[change] for change, count in _told(site, list(wanted)).items())
    except rest.Silent:  # it is not yet back
        return False
