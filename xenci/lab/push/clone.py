"""The developer's clone: bare, in the lab's state, so that a push costs a second and no checkout of 6,600 files.

Commits are made with git's plumbing in an index of their own, so any number of pushes may run at once.
"""

import tempfile
from pathlib import Path

from xenci.lab import images, lock
from xenci.lab.gerrit import known_hosts, people
from xenci.lab.gerrit.people import Person
from xenci.lab.gerrit.seed import NOVA, NOVA_BRANCH
from xenci.lab.git import git, identity, over_ssh
from xenci.lab.paths import LabPaths
from xenci.lab.push.kinds import Edit


def address(paths: LabPaths, person: Person, project: str = NOVA) -> str:
    """Return the project's SSH address for a person."""
    return f"ssh://{person.name}@127.0.0.1:{paths.gerrit_ssh}/{project}"


def environment(paths: LabPaths, person: Person) -> dict[str, str]:
    """Return git's environment for a person: name, mail, key, pinned host key."""
    who = identity(person.display, person.mail)
    return {**who, **over_ssh(people.private_key(paths, person), known_hosts(paths))}


def ensure(paths: LabPaths) -> Path:
    """Return the clone of nova, made at the first time."""
    folder = paths.state / "dev" / "nova.git"
    with lock.held(folder.with_suffix(".lock"), "the developer's clone"):
        mark = folder / "complete"
        if not mark.exists():
            folder.mkdir(parents=True, exist_ok=True)
            git("init", "-q", "--bare", at=folder)
            # what Gerrit got from there needs no Java to pack it again
            git("fetch", "-q", str(images.repository(paths, images.NOVA)), "+refs/heads/*:refs/upstream/*", at=folder)
            mark.touch()
    return folder


def fetch(paths: LabPaths, what: str) -> str:
    """Fetch a ref of Gerrit's nova into the clone and return its commit."""
    at = ensure(paths)
    mine = f"refs/seen/{what.removeprefix('refs/')}"
    person = people.DEV
    git("fetch", "-q", "--no-tags", address(paths, person), f"+{what}:{mine}", at=at, env=environment(paths, person))
    return git("rev-parse", mine, at=at).strip()


def tip(paths: LabPaths) -> str:
    """Return the commit at the tip of nova's branch, fetched now."""
    return fetch(paths, f"refs/heads/{NOVA_BRANCH}")


def commit(paths: LabPaths, parent: str, file: str, edit: Edit, message: str, serial: str, who: Person) -> str:
    """Make a commit on `parent` that edits one file, and return its name."""
    at, env = ensure(paths), environment(paths, who)
    text = git("cat-file", "blob", f"{parent}:{file}", at=at)
    blob = git("hash-object", "-w", "--stdin", at=at, given=edit(text, serial).encode()).strip()
    with tempfile.TemporaryDirectory(dir=at) as scratch:
        env["GIT_INDEX_FILE"] = f"{scratch}/index"
        git("read-tree", parent, at=at, env=env)
        git("update-index", "--cacheinfo", f"100644,{blob},{file}", at=at, env=env)
        tree = git("write-tree", at=at, env=env).strip()
    return git("commit-tree", tree, "-p", parent, "-F", "-", at=at, env=env, given=message.encode()).strip()


def send(paths: LabPaths, sha: str, ref: str, who: Person, *, force: bool = False) -> None:
    """Push a commit to a ref of Gerrit's nova as a person."""
    refspec = f"{'+' if force else ''}{sha}:{ref}"
    git("push", "-q", address(paths, who), refspec, at=ensure(paths), env=environment(paths, who))
