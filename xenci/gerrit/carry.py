"""Puts a carried series on top of a commit: `git am -3` in a scratch tree that holds only what the series touches.

The scratch tree is sparse: ten files of nova instead of 4600. (It cannot be empty: a patch that applies by a three-way
merge only would find "local changes", as git checks a file out when it tries, and leaves it there when it fails.)
The committer's time is the author's, so the same series on the same commit is the same commit, whoever makes it and
when: nodes are asked for the commit they run.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from xenci.errors import Permanent
from xenci.gerrit.failures import GitFailed
from xenci.gerrit.git import Output, git
from xenci.gerrit.mirror import Mirror

_SPARSE = {"core.sparseCheckout": "true", "core.sparseCheckoutCone": "false"}
_ERROR = "error: patch failed: "
#: what is a pattern and not a name in a file like .gitignore
_SPECIAL = re.compile(r"([\\*?\[\]!# ])")
_MOVED = re.compile(r"^(?:rename|copy) from ([^\"\n]+)$", re.MULTILINE)
_ESCAPED = r"\\\1"


class NoSeries(Permanent):
    """A carried series is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A series that applied."""

    #: the last commit
    sha: str
    #: first lines of the commits that it became, in order; a patch that the tree has already becomes none
    subjects: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """A series that did not."""

    #: file name of the first patch that does not apply
    patch: str
    #: files in which it does not
    files: tuple[str, ...]


def patches(series: Sequence[Path], beginnings: Sequence[str] = ()) -> tuple[Path, ...]:
    """Return the patch files of a series, in order: a folder stands for its *.patch by name.

    With `beginnings`, only those whose names begin with one of them. Raises NoSeries if a path is not there, if a
    beginning fits nothing, or a folder has no patch.
    """
    found: list[Path] = []
    for path in series:
        inside = sorted(path.glob("*.patch")) if path.is_dir() else [path]
        if not inside or not all(patch.is_file() for patch in inside):
            raise NoSeries(str(path), remedy="Check `carry` of the job: a folder with *.patch files, or a file")
        found += inside
    for beginning in beginnings:
        if not any(patch.name.startswith(beginning) for patch in found):
            raise NoSeries(f"no patch begins with {beginning!r}", remedy="Check `patches` of the job's carry")
    chosen = [patch for patch in found if not beginnings or patch.name.startswith(tuple(beginnings))]
    return tuple(patch.resolve() for patch in chosen)


def put_on(mirror: Mirror, commit: str, series: Sequence[Path], *, limit: timedelta) -> Carried | Stuck:
    """Return the commit with the series on top, or where it is stuck. The scratch tree is removed."""
    if not series:
        return Carried(sha=commit, subjects=())
    with _scratch_tree(mirror, commit, series, limit) as tree:
        files = [str(patch) for patch in series]
        # 1 or 128, depending on how badly a patch fits: where it stopped tells
        done = git(*_AM, *files, at=tree, limit=limit, settings=_SPARSE, ok=(0, 1, 128))
        if done.exit_code:
            return _stuck(tree, series, done, limit)
        made = git("log", "--reverse", "--format=%H %s", f"{commit}..HEAD", at=tree, limit=limit).text.splitlines()
        commits = [line.partition(" ") for line in made]
        return Carried(sha=commits[-1][0] if made else commit, subjects=tuple(subject for *_, subject in commits))


_AM = ("am", "--quiet", "--3way", "--no-gpg-sign", "--committer-date-is-author-date", "--")


@contextmanager
def _scratch_tree(mirror: Mirror, commit: str, series: Sequence[Path], limit: timedelta) -> Iterator[Path]:
    tree = mirror.scratch / "carry"
    add = ("worktree", "add", "--quiet", "--detach", "--no-checkout", str(tree), commit)
    git(*add, at=mirror.repository, limit=limit)
    try:
        own = _git_folder(tree)
        (own / "info").mkdir(exist_ok=True)
        names = _touched(mirror.repository, series, limit)
        (own / "info" / "sparse-checkout").write_text("".join(f"/{_SPECIAL.sub(_ESCAPED, name)}\n" for name in names))
        git("read-tree", "-m", "-u", "HEAD", at=tree, limit=limit, settings=_SPARSE)
        yield tree
    finally:
        mirror.drop_trees()


def _git_folder(tree: Path) -> Path:
    return Path((tree / ".git").read_text().removeprefix("gitdir: ").strip())


def _stuck(tree: Path, series: Sequence[Path], done: Output, limit: timedelta) -> Stuck:
    state = _git_folder(tree) / "rebase-apply"
    if not (state / "next").exists():
        raise GitFailed(f"git am in {tree}: {done.last_words}", remedy="Check the files of the carried series")
    at = min(int((state / "next").read_text()), len(series))
    patch = series[at - 1]
    unmerged = git("diff", "--name-only", "--diff-filter=U", "-z", at=tree, limit=limit, settings=_SPARSE).names
    lines = done.stderr.splitlines()
    refused = [line.removeprefix(_ERROR).rpartition(":")[0] for line in lines if line.startswith(_ERROR)]
    files = unmerged or tuple(refused) or tuple(_touched(tree, [patch], limit))
    return Stuck(patch=patch.name, files=tuple(sorted(set(files))))


def _touched(at: Path, series: Sequence[Path], limit: timedelta) -> set[str]:
    """Return the files that these patches touch, those that they rename under both names."""
    files = [str(patch) for patch in series]
    listed = git("apply", "--numstat", "-z", *files, at=at, limit=limit, ok=(0, 1, 128)).names
    found = {line.split("\t")[2] for line in listed if line.count("\t") == 2}
    for patch in series:
        found.update(_MOVED.findall(patch.read_text(errors="replace")))
    return found
