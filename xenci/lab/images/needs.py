"""What a build needs of this machine, asked before it begins: memory, disk, root, programs.

Missing programs are installed with apt where that is possible; else the sentence says which packages they are in.
"""

import os
import shutil
import subprocess
from pathlib import Path

from xenci.errors import Permanent
from xenci.lab.images.recipe import Recipe
from xenci.lab.progress import step


class NotEnough(Permanent):
    """This machine cannot build the image."""


def require(recipe: Recipe, folder: Path) -> None:
    """Make sure that a build in this folder can work. Raises NotEnough with the remedy."""
    name, free = recipe.name, shutil.disk_usage(_existing(folder)).free / 1e9
    if free < recipe.disk_gb:
        detail = f"{name} needs {recipe.disk_gb:.0f} GB of disk at {folder}, {free:.1f} GB are free"
        raise NotEnough(detail, remedy="Make room, or name another place in XENCI_CACHE_DIR")
    if (memory := available_memory_gb()) < recipe.memory_gb:
        detail = f"{name} needs {recipe.memory_gb:.1f} GB of memory, {memory:.1f} GB are available"
        raise NotEnough(detail, remedy="End something, or run `xenci lab down`, and try again")
    if recipe.needs_root and os.geteuid() != 0:
        raise NotEnough(f"{name} is installed into a root of its own, which only root can do", remedy="Run with sudo")
    missing = sorted({package for tool, package in recipe.tools.items() if shutil.which(tool, path=_PATH) is None})
    if missing:
        _install(name, missing)


_PATH = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"


def available_memory_gb(meminfo: Path = Path("/proc/meminfo")) -> float:
    """Return what the kernel calls available, GB."""
    line = next(line for line in meminfo.read_text().splitlines() if line.startswith("MemAvailable:"))
    return int(line.split()[1]) * 1024 / 1e9


def _existing(folder: Path) -> Path:
    return folder if folder.exists() else _existing(folder.parent)


def _install(name: str, packages: list[str]) -> None:
    wanted = " ".join(packages)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NotEnough(f"{name} needs the packages {wanted}", remedy=f"sudo apt-get install {wanted}")
    patient = ["-q", "-o", "DPkg::Lock::Timeout=600"]
    with step(f"install {wanted}"):
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
            done = subprocess.run(["apt-get", *patient, *command], env=env, capture_output=True, text=True, check=False)
            if done.returncode:
                said = done.stderr.strip()[-400:]
                raise NotEnough(f"apt-get {command[0]} said: {said}", remedy=f"sudo apt-get install {wanted}")
