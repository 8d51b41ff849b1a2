"""Gerrit's process: started with little memory, awaited until it answers, seeded, and its host key pinned."""

import time
import urllib.error
import urllib.request
from pathlib import Path

from xenci.lab import processes
from xenci.lab.gerrit import seed, site, war
from xenci.lab.paths import LabPaths
from xenci.lab.processes import DidNotStart
from xenci.lab.progress import say, step

NAME = "gerrit"
#: the serial collector and one compiler: 11 s to the first answer and 320 MB, instead of 20 s and 390 MB
_FLAGS = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.net.preferIPv4Stack=true")
#: seconds; eleven are usual, but two emulated machines may be booting beside it
_PATIENCE = 900.0
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def url(paths: LabPaths) -> str:
    """Return the address to open in a browser."""
    return f"http://127.0.0.1:{paths.gerrit_http}/"


def known_hosts(paths: LabPaths) -> Path:
    """Return the file that pins Gerrit's SSH host keys, in OpenSSH's form."""
    return paths.state / "gerrit_known_hosts"


def host_key(paths: LabPaths) -> str:
    """Return Gerrit's Ed25519 host key, `ssh-ed25519 AAAA…`; the site must have been made."""
    return _key(site.folder(paths) / "etc" / "ssh_host_ed25519_key.pub")


def prepare(paths: LabPaths) -> None:
    """Make what takes long: the war, in the cache."""
    war.ensure(paths)


def start(paths: LabPaths) -> None:
    """Start the lab's Gerrit and seed it; harmless if it runs already.

    Raises DidNotStart with the end of its log, CannotFetch, CannotInitialise.
    """
    log = paths.log / f"{NAME}.log"
    running = processes.find(paths.run, NAME)
    if running is None or not running.lives:
        program = war.ensure(paths)
        home = site.ensure(paths, program)
        _remove_locks(home)
        command = ["java", *_FLAGS, "-jar", str(program), "daemon", "-d", str(home), "--console-log"]
        with step(f"start Gerrit at {url(paths)}"):
            processes.start(paths.run, NAME, command, log=log, env=site.environment(paths))
            _await_answer(paths, log)
    else:
        _await_answer(paths, log)
    _pin_host_keys(paths)
    seed.ensure(paths, url(paths), known_hosts(paths))


def stop(paths: LabPaths) -> None:
    """End the lab's Gerrit; what it holds stays."""
    processes.end(paths.run, NAME, patience=20.0)


def _remove_locks(home: Path) -> None:
    """Remove the locks on refs that a killed Gerrit left: nobody writes now, and they would stop every push."""
    for lock in (home / "git").rglob("*.lock"):
        say(f"remove {lock.name}, which a killed Gerrit left in {lock.parent}")
        lock.unlink()


def _await_answer(paths: LabPaths, log: Path) -> None:
    limit = time.monotonic() + _PATIENCE
    while not _answers(paths):
        process = processes.find(paths.run, NAME)
        if process is None or not process.lives:
            last = [line for line in log.read_text(errors="replace").splitlines() if line.strip()][-3:]
            raise DidNotStart(f"Gerrit ended at once: {' / '.join(last)}", remedy=f"Its log is {log}")
        if time.monotonic() > limit:
            raise DidNotStart(f"Gerrit has not answered within {_PATIENCE:.0f} s", remedy=f"Its log is {log}")
        time.sleep(0.2)


def _answers(paths: LabPaths) -> bool:
    try:
        with _OPENER.open(f"{url(paths)}config/server/version", timeout=10) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _pin_host_keys(paths: LabPaths) -> None:
    keys = sorted((site.folder(paths) / "etc").glob("ssh_host_*_key.pub"))
    known_hosts(paths).write_text("".join(f"[127.0.0.1]:{paths.gerrit_ssh} {_key(key)}\n" for key in keys))


def _key(file: Path) -> str:
    kind, blob = file.read_text().split()[:2]
    return f"{kind} {blob}"
