"""A bare repository for each project: made when first needed, fetched into, repaired after a crash, kept in bounds.

One file lock for each project keeps everybody else out, threads and processes, so whatever lies about when the lock is
ours (a lock file of git's, a scratch tree) was left by one who was killed, and is removed.
"""

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from xenci.errors import NotFound
from xenci.gerrit.failures import FetchFailed, GitFailed, MirrorBusy
from xenci.gerrit.git import git
from xenci.gerrit.names import check_name, check_project

log = structlog.get_logger(__name__)

#: what we keep lives below it, one folder for each name
OURS = "refs/xenci"
_LOCAL = timedelta(minutes=2)
_GONE = ("couldn't find remote ref", "not found", "could not read username", "repository exists")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """One project's mirror, as seen by who holds its lock."""

    repository: Path
    #: folder for scratch trees, not there when the lock is taken
    scratch: Path

    def fetch(self, url: str, refspecs: Collection[str], *, limit: timedelta) -> None:
        """Fetch what is named. Raises NotFound (no such project or reference that we may see) or FetchFailed."""
        with _told(url):
            git("fetch", "--quiet", "--no-tags", "--end-of-options", url, *refspecs, at=self.repository, limit=limit)

    def commits(self, *names: str) -> list[str]:
        """Return the commits that references name."""
        wanted = [f"{name}^{{commit}}" for name in names]
        return git("rev-parse", *wanted, at=self.repository, limit=_LOCAL).text.splitlines()

    def drop_trees(self) -> None:
        """Remove every scratch tree, and what git keeps of it."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        shutil.rmtree(self.repository / "worktrees", ignore_errors=True)

    def keep(self, name: str, commits: dict[str, str]) -> None:
        """Write refs/xenci/NAME/KEY for each commit, all or none, so that none is ever collected as garbage."""
        lines = "".join(f"update {OURS}/{name}/{key} {sha}\n" for key, sha in commits.items())
        git("update-ref", "--stdin", at=self.repository, limit=_LOCAL, given=lines.encode())

    def names(self) -> set[str]:
        """Return the names under which something is kept."""
        listed = git("for-each-ref", "--format=%(refname)", OURS, at=self.repository, limit=_LOCAL)
        return {line.split("/")[2] for line in listed.text.splitlines()}

    def forget(self, names: Collection[str]) -> None:
        """Let go of what is kept under these names."""
        listed = git("for-each-ref", "--format=%(refname)", OURS, at=self.repository, limit=_LOCAL)
        gone = [ref for ref in listed.text.splitlines() if ref.split("/")[2] in names]
        lines = "".join(f"delete {ref}\n" for ref in gone)
        git("update-ref", "--stdin", at=self.repository, limit=_LOCAL, given=lines.encode())

    def pack(self) -> None:
        """Drop what nothing names any more and pack the rest, if there is much of it. May take minutes."""
        settings = {"gc.auto": "2000", "gc.autoDetach": "false", "gc.pruneExpire": "1.day.ago"}
        git("gc", "--auto", "--quiet", at=self.repository, limit=timedelta(minutes=30), settings=settings)


@contextlib.contextmanager
def locked(folder: Path, project: str, *, patience: timedelta) -> Iterator[Mirror]:
    """Hold a project's mirror; it is made at the first time. Raises MirrorBusy, HostileName."""
    repository = path_of(folder, project)
    repository.parent.mkdir(parents=True, exist_ok=True)
    with _lock(_lock_of(repository), patience):
        mirror = Mirror(repository=repository, scratch=repository.with_name(repository.name + "-scratch"))
        mirror.drop_trees()
        _ensure(repository)
        yield mirror


def is_taken(folder: Path, project: str) -> bool:
    """Tell whether somebody holds a project's mirror at this moment. Raises HostileName."""
    repository = path_of(folder, project)
    try:
        handle = os.open(_lock_of(repository), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _taken(handle)
    finally:
        os.close(handle)


def list_tips(url: str, branches: Collection[str], *, limit: timedelta) -> dict[str, str]:
    """Return the tips of these branches as the server has them now. Raises NotFound, FetchFailed."""
    refs = {f"refs/heads/{branch}": branch for branch in branches}
    with _told(url):
        listed = git("ls-remote", "--quiet", "--end-of-options", url, *refs, at=Path("/"), limit=limit)
    lines = [line.split("\t", 1) for line in listed.text.splitlines() if "\t" in line]
    return {refs[ref]: sha for sha, ref in lines if ref in refs}


def path_of(folder: Path, project: str) -> Path:
    """Return where a project's mirror is or will be. Raises HostileName."""
    return folder / f"{check_project(project)}.git"


def known(folder: Path) -> list[str]:
    """Return the projects that have a mirror."""
    return sorted(str(head.parent.relative_to(folder))[: -len(".git")] for head in folder.glob("**/*.git/HEAD"))


def check_names(names: Collection[str]) -> set[str]:
    """Return the names. Raises HostileName."""
    return {check_name(name) for name in names}


def _ensure(repository: Path) -> None:
    if not (repository / "HEAD").exists():
        log.info("gerrit.mirror.made", repository=str(repository))
        shutil.rmtree(repository, ignore_errors=True)
        repository.mkdir()
        git("init", "--quiet", "--bare", "--template=", at=repository, limit=_LOCAL)
        return
    for stale in [
        *repository.glob("*.lock"),
        *repository.glob("refs/**/*.lock"),
        *repository.glob("objects/**/*.lock"),
    ]:
        log.warning("gerrit.mirror.stale_lock", path=str(stale))
        stale.unlink(missing_ok=True)
    for unfinished in repository.glob("objects/pack/tmp_*"):
        unfinished.unlink(missing_ok=True)


def _lock_of(repository: Path) -> Path:
    return repository.with_name(repository.name + "-lock")


@contextlib.contextmanager
def _lock(path: Path, patience: timedelta) -> Iterator[None]:
    limit = time.monotonic() + patience.total_seconds()
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    try:
        while not _taken(handle):
            if time.monotonic() > limit:
                raise MirrorBusy(f"{path}, waited {patience.total_seconds():.0f} s", remedy="It is tried again")
            time.sleep(0.1)
        yield
    finally:
        os.close(handle)


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _told(url: str) -> Iterator[None]:
    """Tell why a server could not be asked: it has no such thing, or does not answer."""
    try:
        yield
    except GitFailed as error:
        where = _without_secret(url)
        detail = f"{where}: {error.detail.replace(url, where)}"
        if any(words in error.detail.lower() for words in _GONE):
            remedy = "Check gerrit.git_url, and that the project, branch and change can be read by everybody"
            raise NotFound(detail, brief="Gerrit's git has no such thing", remedy=remedy) from error
        raise FetchFailed(detail, remedy="Check gerrit.git_url and that Gerrit answers; it is tried again") from error


def _without_secret(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if "@" in parts.netloc else url
