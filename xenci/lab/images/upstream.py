"""Upstream's Nova and Tempest as git repositories: the files of a released source archive as one commit.

The commit has the same id wherever and whenever it is made, as its author, dates and words are fixed: so Gerrit, the
CI's mirror and the node's tree agree on it, and a push into a node sends only what is new.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from xenci.errors import Temporary
from xenci.lab.lock import held
from xenci.lab.paths import LabPaths
from xenci.lab.progress import say, step


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """A project of OpenStack as the lab has it."""

    name: str
    #: its release on the package index
    version: str
    branch: str
    #: a folder of it, to see whether a repository is whole
    sample: str

    @property
    def project(self) -> str:
        """Its name in Gerrit."""
        return f"openstack/{self.name}"

    @property
    def title(self) -> str:
        return self.name.capitalize()


NOVA = Upstream(name="nova", version="31.3.1", branch="stable/2025.1", sample="nova/virt/libvirt")
#: without stable branches, as upstream has it
TEMPEST = Upstream(name="tempest", version="47.0.0", branch="master", sample="tempest/api/compute")
UPSTREAMS = (NOVA, TEMPEST)
_WHO = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (
    ("NAME", "upstream"), ("EMAIL", "upstream@lab.invalid"), ("DATE", "2026-01-01T00:00:00Z"))}  # fmt: skip


class NotMade(Temporary):
    """The repository of an upstream project could not be made."""


def repository(paths: LabPaths, upstream: Upstream) -> Path:
    """Return the bare repository in the cache that has the project on its branch; make it if it is missing or damaged.

    Raises NotMade, with what git or pip said.
    """
    found = paths.upstream / f"{upstream.name}.git"
    if not why_not_usable(found, upstream):
        return found
    with held(paths.upstream / f"{upstream.name}.lock", f"the repository of upstream's {upstream.title}"):
        if why := why_not_usable(found, upstream):
            say(f"upstream's {upstream.title} {upstream.version}: {why}")
            with step(f"make a git repository of upstream's {upstream.title} {upstream.version}"):
                _make(found, upstream)
    return found


def why_not_usable(repository: Path, upstream: Upstream) -> str:
    """Return why the repository has to be made (again); empty if it is good."""
    try:
        known = json.loads(_marker(repository).read_text())
    except FileNotFoundError:
        return "there is no repository of it"
    except ValueError:
        return "the repository's marker cannot be read"
    if known["version"] != upstream.version:
        return f"the repository holds {upstream.title} {known['version']}"
    try:
        found = _run("git", "-C", str(repository), "rev-parse", upstream.branch)
        _run("git", "-C", str(repository), "archive", "-o", os.devnull, upstream.branch, "setup.cfg", upstream.sample)
    except NotMade as error:
        return f"the repository is damaged ({error.detail.splitlines()[-1]})"
    return "" if found == known["commit"] else f"its branch {upstream.branch} was moved to {found}"


def _marker(repository: Path) -> Path:
    return repository.with_name(repository.name + ".json")


def _make(repository: Path, upstream: Upstream) -> None:
    folder = repository.parent
    work, made = folder / f"{upstream.name}-work", folder / f"{upstream.name}-new.git"
    _marker(repository).unlink(missing_ok=True)
    for old in (work, made, repository):
        shutil.rmtree(old, ignore_errors=True)
    work.mkdir(parents=True)
    _run("tar", "-xzf", str(_sdist(folder, upstream)), "--no-same-owner", "--strip-components=1", "-C", str(work))
    for metadata in (*work.glob("*.egg-info"), work / "PKG-INFO"):
        shutil.rmtree(metadata) if metadata.is_dir() else metadata.unlink(missing_ok=True)
    git = ("git", "-C", str(work), "-c", "gc.auto=0", "-c", "core.excludesFile=/dev/null", "-c", "core.autocrlf=false")
    _run(*git, "init", "-q", "-b", upstream.branch)
    _run(*git, "add", "-f", "-A")
    _run(*git, "commit", "-q", "-m", f"{upstream.title} {upstream.version}, as in its sdist")
    _run("git", "clone", "-q", "--bare", "--no-hardlinks", str(work), str(made))
    _run("git", "-C", str(made), "remote", "remove", "origin")
    commit = _run("git", "-C", str(made), "rev-parse", upstream.branch)
    made.rename(repository)
    _marker(repository).write_text(json.dumps({"version": upstream.version, "commit": commit}))
    shutil.rmtree(work)


def _sdist(folder: Path, upstream: Upstream) -> Path:
    """Return upstream's source archive, downloaded once by pip from the index that this machine is set up for."""
    archive = folder / f"{upstream.name}-{upstream.version}.tar.gz"
    if not archive.exists():
        new = folder / f"{upstream.name}-download"
        shutil.rmtree(new, ignore_errors=True)
        pip = (sys.executable, "-m", "pip", "download", "-q", "--no-binary", upstream.name, "--no-deps", "-d", str(new))
        _run(*pip, f"{upstream.name}=={upstream.version}")
        (new / archive.name).rename(archive)
        shutil.rmtree(new)
    return archive


def _run(*command: str) -> str:
    env = {**os.environ, **_WHO, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
        raise NotMade(f"{command[0]} said: {said[-600:]}", remedy="Run again when the cause is gone")
    return done.stdout.strip()
