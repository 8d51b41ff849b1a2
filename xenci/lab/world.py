"""The whole lab: up, down, and what it is made of.

`up` asks for everything first, then makes what takes long and starts what it can at once; run again, it does only what
is missing. `down` trusts no memory of `up`: it ends what has a file, what the clouds' machines show, what an
interrupted command left, and xenci's own database process, whose data stay.
"""

import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

from xenci.errors import Permanent
from xenci.lab import checks, clouds, gerrit, images, lock, processes, settings, strays
from xenci.lab.paths import LabPaths
from xenci.lab.processes import DidNotStart
from xenci.lab.progress import say, step
from xenci.store.embedded import Cluster

XENCI = "xenci"
#: the first start makes the database and its tables
_PATIENCE = 180.0
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class NotInstalled(Permanent):
    """xenci's own command is not installed."""


def up(paths: LabPaths, *, xenci: bool = True) -> None:
    """Bring up Gerrit and both clouds, and with `xenci` xenci itself; do only what is missing.

    Raises CannotStart with all problems of this machine before anything starts, later what a part raises. Interrupted
    (KeyboardInterrupt), it ends what it has started and leaves what ran before.
    """
    checks.require(paths)
    strays.mark(paths)
    ran_before = strays.find(paths)
    with lock.held(_up_lock(paths), "bringing this lab up"):
        try:
            # Gerrit waits for one small download, the clouds for the images: nothing waits for what it does not need
            _at_once(paths, lambda: gerrit.start(paths), lambda: clouds.prepare(paths), lambda: _images(paths))
            _at_once(paths, lambda: clouds.start(paths))
            settings.write_config(paths)
            if xenci:
                start_xenci(paths)
        except KeyboardInterrupt:
            say("interrupted: ending what was started")
            strays.end(paths, but=ran_before)
            raise


def down(paths: LabPaths) -> None:
    """End every process of the lab, whatever started it; harmless if nothing runs. What is stored stays."""
    _interrupt_up(paths)
    with step("end the lab's processes"):
        processes.end(paths.run, XENCI, patience=15.0)
        _at_once(paths, lambda: clouds.stop(paths), lambda: gerrit.stop(paths), lambda: _database(paths).stop())
        for process in reversed(processes.all_of(paths.run)):
            processes.end(paths.run, process.name)
        strays.end(paths)


def _up_lock(paths: LabPaths) -> Path:
    return paths.state / "up.lock"


def _interrupt_up(paths: LabPaths) -> None:
    """Interrupt an `up` that is still at work, as Ctrl-C would, and wait until it has gone."""
    pid = lock.holder(_up_lock(paths))
    if pid is None or pid == os.getpid():
        return
    say(f"interrupting `up` (pid {pid})")
    os.kill(pid, signal.SIGINT)
    limit = time.monotonic() + 60.0
    while lock.holder(_up_lock(paths)) == pid:
        if time.monotonic() > limit:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def _at_once(paths: LabPaths, *parts: Callable[[], None]) -> None:
    """Run all parts, wait for all, then raise the first failure: none is left half done behind our back.

    Interrupted, it ends what the parts were waiting for, as programs with a session of their own get no Ctrl-C.
    """
    ran_before = strays.find(paths)
    with ThreadPoolExecutor(len(parts)) as pool:
        futures = [pool.submit(part) for part in parts]
        try:
            wait(futures)
        except KeyboardInterrupt:
            while not all(future.done() for future in futures):
                strays.end(paths, but=ran_before)
                wait(futures, timeout=0.5)
            raise
    for future in futures:
        future.result()


def _images(paths: LabPaths) -> None:
    for name in images.names():
        images.ensure(paths, name)


def start_xenci(paths: LabPaths) -> None:
    """Start xenci on this lab's configuration and wait until it answers. Raises NotInstalled, DidNotStart."""
    program = Path(sys.executable).with_name("xenci")
    if not program.exists():
        raise NotInstalled(f"{program} is missing", remedy="make setup")
    command = [str(program), "serve", "all", "--config", str(paths.config)]
    log = paths.log / f"{XENCI}.log"
    with step(f"start xenci: http://127.0.0.1:{paths.web}/"):
        processes.start(paths.run, XENCI, command, log=log, env=settings.environment(paths))
        limit = time.monotonic() + _PATIENCE
        while not answers(paths):
            process = processes.find(paths.run, XENCI)
            if process is None or not process.lives:
                raise DidNotStart(f"xenci ended at once: {_last(log)}", remedy=f"Its log is {log}")
            if time.monotonic() > limit:
                raise DidNotStart(f"xenci has not answered within {_PATIENCE:.0f} s", remedy=f"Its log is {log}")
            time.sleep(0.2)
        database = _database(paths)
        if database.pid is not None:
            processes.adopt(paths.run, f"{XENCI}-postgres", database.pid, log=database.log)
    say(f"xenci answers at http://127.0.0.1:{paths.web}/")


def answers(paths: LabPaths) -> bool:
    """Tell whether xenci's own health page says anything, be it that something is wrong."""
    try:
        with _OPENER.open(f"http://127.0.0.1:{paths.web}/healthz", timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _last(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return " / ".join(lines[-3:]) or "it said nothing"


def _database(paths: LabPaths) -> Cluster:
    return Cluster(settings.own_state(paths) / "database")
