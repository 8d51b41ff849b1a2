"""The Python environment of the clouds: OpenStack 2025.1 in a virtual environment of its own, in the cache.

xenci itself needs a tenth of these packages and other versions of some, so the two never share an environment. Every
package is pinned beside this file and installed without looking at dependencies: the set is whole, and pip has nothing
to decide. What was interrupted goes on where pip left off; what is damaged or outdated is made anew.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from xenci.errors import Permanent, Temporary
from xenci.lab.clouds import cached
from xenci.lab.paths import LabPaths
from xenci.lab.progress import say, step

PINS = Path(__file__).with_name("pins-2025.1.txt")
#: Code that runs in this environment.
RUN = Path(__file__).with_name("run")

#: What the machines of the clouds need: program, Debian package.
_PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "zstd": "zstd",
    "setpriv": "util-linux",
    "ssh-keygen": "openssh-client",
}

#: Put before a command that must not outlive us: a second attempt would find it at work on the same files.
WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")


class ProgramMissing(Permanent):
    """A program that the clouds need is not installed."""


class PackagesNotInstalled(Temporary):
    """The Python packages of OpenStack could not be installed."""


def venv(paths: LabPaths) -> Path:
    """Return the folder of the environment."""
    return paths.cache / "clouds" / "venv"


def python(paths: LabPaths) -> Path:
    """Return the Python of the environment."""
    return venv(paths) / "bin" / "python"


def fingerprint() -> str:
    """Return what the environment is made of: the pins and this Python's version."""
    return cached.fingerprint(PINS, sys.version)


def check_programs() -> None:
    """Raise ProgramMissing, with the command that helps, unless every program is there."""
    missing = {program: package for program, package in _PROGRAMS.items() if shutil.which(program) is None}
    if missing:
        raise ProgramMissing(
            ", ".join(missing), remedy=f"apt-get install --no-install-recommends {' '.join(sorted(missing.values()))}"
        )


def prepare(paths: LabPaths) -> Path:
    """Make the environment unless it is there, whole and up to date; return its Python.

    Raises PackagesNotInstalled with pip's last lines. The caller holds the cache's lock.
    """
    folder = venv(paths)
    reason = cached.why_not_usable(folder, fingerprint())
    if reason is None and python(paths).exists():
        return python(paths)
    say(f"the Python environment of the clouds is made, since {reason or 'its Python is gone'}")
    if reason != "an earlier attempt was interrupted":
        shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    log = folder.parent / "pip.log"
    with step(f"Python packages of OpenStack 2025.1: {_count()} distributions, 650 MB"):
        _run([sys.executable, "-m", "venv", str(folder)], log)
        pip = [str(python(paths)), "-m", "pip", "--disable-pip-version-check"]
        _run([*pip, "install", "--no-deps", "--no-input", "-r", str(PINS)], log)
        _run([*pip, "check"], log)
        cached.mark(folder, fingerprint())
    return python(paths)


def _count() -> int:
    return sum(1 for line in PINS.read_text().splitlines() if "==" in line)


def _run(command: list[str], log: Path) -> None:
    with log.open("wb") as out:
        done = subprocess.run([*WITH_US, *command], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
    if done.returncode:
        last = " / ".join(log.read_text(errors="replace").strip().splitlines()[-4:])
        raise PackagesNotInstalled(last, remedy=f"look at {log}, see to pip's package index, and run it again")
