"""Upstream's Nova as a git repository: the files of the released source archive as one commit.

The commit has the same id wherever and whenever it is made, as its author, dates and words are fixed: so Gerrit, the
CI's mirror and the node's tree agree on it, and a push into a node sends only what is new.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from xenci.errors import Temporary
from xenci.lab.lock import held
from xenci.lab.paths import LabPaths
from xenci.lab.progress import say, step

VERSION = "31.3.1"
BRANCH = "stable/2025.1"
_WHO = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (
    ("NAME", "upstream"), ("EMAIL", "upstream@lab.invalid"), ("DATE", "2026-01-01T00:00:00Z"))}  # fmt: skip


class NovaNotMade(Temporary):
    """The repository of upstream's Nova could not be made."""


def nova_repository(paths: LabPaths) -> Path:
    """Return the bare repository (paths.nova_repo) with upstream's Nova on BRANCH; make it if it is missing or damaged.

    Raises NovaNotMade, with what git or pip said.
    """
    if not why_not_usable(paths.nova_repo):
        return paths.nova_repo
    with held(paths.cache / "git" / "nova.lock", "the repository of upstream's Nova"):
        if why := why_not_usable(paths.nova_repo):
            say(f"upstream's Nova {VERSION}: {why}")
            with step(f"make a git repository of upstream's Nova {VERSION}"):
                _make(paths.nova_repo)
    return paths.nova_repo


def why_not_usable(repository: Path) -> str:
    """Return why the repository has to be made (again); empty if it is good."""
    try:
        known = json.loads(_marker(repository).read_text())
    except FileNotFoundError:
        return "there is no repository of it"
    except ValueError:
        return "the repository's marker cannot be read"
    if known["version"] != VERSION:
        return f"the repository holds Nova {known['version']}"
    try:
        found = _run("git", "-C", str(repository), "rev-parse", BRANCH)
        _run("git", "-C", str(repository), "archive", "-o", os.devnull, BRANCH, "setup.cfg", "nova/virt/libvirt")
    except NovaNotMade as error:
        return f"the repository is damaged ({error.detail.splitlines()[-1]})"
    return "" if found == known["commit"] else f"its branch {BRANCH} was moved to {found}"


def _marker(repository: Path) -> Path:
    return repository.with_name(repository.name + ".json")


def _make(repository: Path) -> None:
    folder = repository.parent
    work, made = folder / "work", folder / "new.git"
    _marker(repository).unlink(missing_ok=True)
    for old in (work, made, repository):
        shutil.rmtree(old, ignore_errors=True)
    work.mkdir(parents=True)
    _run("tar", "-xzf", str(_sdist(folder)), "--no-same-owner", "--strip-components=1", "-C", str(work))
    for metadata in (*work.glob("*.egg-info"), work / "PKG-INFO"):
        shutil.rmtree(metadata) if metadata.is_dir() else metadata.unlink(missing_ok=True)
    git = ("git", "-C", str(work), "-c", "gc.auto=0", "-c", "core.excludesFile=/dev/null", "-c", "core.autocrlf=false")
    _run(*git, "init", "-q", "-b", BRANCH)
    _run(*git, "add", "-f", "-A")
    _run(*git, "commit", "-q", "-m", f"Nova {VERSION}, as in its sdist")
    _run("git", "clone", "-q", "--bare", "--no-hardlinks", str(work), str(made))
    _run("git", "-C", str(made), "remote", "remove", "origin")
    commit = _run("git", "-C", str(made), "rev-parse", BRANCH)
    made.rename(repository)
    _marker(repository).write_text(json.dumps({"version": VERSION, "commit": commit}))
    shutil.rmtree(work)


def _sdist(folder: Path) -> Path:
    """Return upstream's source archive, downloaded once by pip from the index that this machine is set up for."""
    archive = folder / f"nova-{VERSION}.tar.gz"
    if not archive.exists():
        new = folder / "download"
        shutil.rmtree(new, ignore_errors=True)
        pip = (sys.executable, "-m", "pip", "download", "-q", "--no-binary", "nova", "--no-deps", "-d", str(new))
        _run(*pip, f"nova=={VERSION}")
        (new / archive.name).rename(archive)
        shutil.rmtree(new)
    return archive


def _run(*command: str) -> str:
    env = {**os.environ, **_WHO, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
        raise NovaNotMade(f"{command[0]} said: {said[-600:]}", remedy="Run again when the cause is gone")
    return done.stdout.strip()
