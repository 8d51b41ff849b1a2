"""Boot a machine from its new disk, use it once, and save it while it runs: memory beside disk.

A boot under emulation may hang, so one whose agent stays silent is ended and repeated from the untouched disk, with
more patience each time. All of it goes through the guest agent: no port, no key, nothing left behind in the machine.
"""

import shlex
import shutil
import time
from pathlib import Path

from xenci.errors import Permanent
from xenci.lab.images.machine import Machine
from xenci.lab.images.qemu import NoAnswer
from xenci.lab.images.recipe import Warming
from xenci.lab.progress import say, step

_LOG, _CODE = "/run/prepare.log", "/run/prepare.code"


class NotWarm(Permanent):
    """The machine could not be booted, used once and saved."""


def warm(warming: Warming, golden: Path, folder: Path, known_to: dict[Path, str]) -> None:
    """Leave disk.qcow2, memory.zst and console.log in the golden folder, as of the running machine. Raises NotWarm."""
    machine = Machine(golden=golden, folder=folder, disk=golden / "disk.qcow2", known_to=known_to)
    machine.end()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _boot(machine, warming)
        if warming.prepare:
            with step("use the machine once, so that what it needs is in its memory", beat=60):
                _prepare(machine, warming)
        with step("save the running machine"):
            _save(machine, warming)
    finally:
        machine.end()
    shutil.move(machine.console, golden / "console.log")


def _boot(machine: Machine, warming: Warming) -> None:
    """Boot from the disk as the recipe's steps left it, which is kept aside in the machine's folder."""
    pristine = machine.folder / "untouched.qcow2"
    (machine.golden / "memory.zst").unlink(missing_ok=True)
    if not pristine.exists():
        shutil.copyfile(machine.disk, pristine.with_suffix(".new"))
        pristine.with_suffix(".new").rename(pristine)
    for attempt in range(1, warming.attempts + 1):
        shutil.copyfile(pristine, machine.disk)
        limit = warming.boot_seconds * (1 + attempt / 2)
        with step(f"boot the machine, attempt {attempt} of {warming.attempts}, up to {limit:.0f} s of processor time"):
            machine.start()
            if _comes_up(machine, limit):
                return
            shutil.copyfile(machine.console, machine.folder / f"console-{attempt}.log")
            machine.end()
    raise NotWarm("no boot came to its end", remedy=f"Read {machine.folder}/console-*.log")


def _comes_up(machine: Machine, cpu_seconds: float) -> bool:
    """Wait until the agent answers; give up on a machine that has used its time, or stands still for ten times that."""
    limit = time.monotonic() + 10 * cpu_seconds
    while True:
        try:
            machine.agent(10).__exit__(None, None, None)
        except NoAnswer as silence:
            if machine.lives and machine.cpu_seconds < cpu_seconds and time.monotonic() < limit:
                continue
            say(f"  {silence.sentence} It has used {machine.cpu_seconds:.0f} s of processor time.")
            return False
        return True


def _prepare(machine: Machine, warming: Warming) -> None:
    """Run the command in the machine and tell what it prints. Its end is a file there, so no lost answer loses it."""
    with machine.agent(120) as agent:
        agent.run("/bin/sh", "-c", f"{warming.prepare} > {_LOG} 2>&1; echo $? > {_CODE}.new; mv {_CODE}.new {_CODE}")
    limit, seen, code = time.monotonic() + warming.prepare_seconds, 0, b""
    while not code:
        time.sleep(5)
        try:
            with machine.agent(300) as agent:
                code = agent.read(_CODE).strip()
                news = agent.read(_LOG, seen)
        except NoAnswer:
            if not machine.lives or time.monotonic() > limit:
                raise
            continue
        if not code:  # half a line is told when it is whole
            news = news[: news.rfind(b"\n") + 1]
        seen += len(news)
        for line in news.decode(errors="replace").splitlines():
            say(f"  in the machine: {line}")
        if not code and time.monotonic() > limit:
            raise NotWarm(f"{warming.prepare} goes on after {warming.prepare_seconds:.0f} s")
    if code != b"0":
        raise NotWarm(f"{warming.prepare} ended with {code.decode()}", remedy="What it said is in the lines above")


def _save(machine: Machine, warming: Warming) -> None:
    with machine.agent(60) as agent:
        pid = agent.run("/bin/sh", "-c", warming.before_saving)
        while (code := agent.exit_code(pid)) is None:
            time.sleep(0.5)
    if code:
        raise NotWarm(f"before saving: {warming.before_saving} ended with {code}")
    time.sleep(2)  # let what ended settle
    new = machine.golden / "memory.zst"
    with machine.monitor(600) as monitor:
        monitor.execute("stop")
        monitor.execute("migrate-set-parameters", max_bandwidth=10**10)
        monitor.execute("migrate", uri=f"exec:zstd -q -1 -T2 > {shlex.quote(str(new))}")
        while (status := monitor.execute("query-migrate")["status"]) != "completed":
            if status in ("failed", "cancelled"):
                raise NotWarm("QEMU could not write the machine's memory", remedy="Is the disk full?")
            time.sleep(0.2)
        monitor.execute("quit")
    while machine.lives:
        time.sleep(0.1)
