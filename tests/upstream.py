"""A real git repository as Gerrit has it, and files whose lines can be changed apart from each other."""

import functools
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from xenci.gerrit.git import git

LIMIT = timedelta(minutes=2)
#: enough lines for changes that do not touch each other
LINES = [f"line {n}" for n in range(1, 41)]
REF = "refs/changes/01/1/1"
#: another content, so that git does not take one file for the other renamed
OTHER = "".join(f"other {n}\n" for n in range(1, 41))
OTHER_CARRIED = OTHER.replace("other 4\n", "xen\n")


def text(**changed: str) -> str:
    """Return the file with some lines changed: l7="seven"."""
    return "\n".join(changed.get(f"l{n}", line) for n, line in enumerate(LINES, 1)) + "\n"


class Upstream:
    """A repository like Gerrit's: a branch, and patch sets under refs/changes."""

    def __init__(self, folder: Path, base: str = "") -> None:
        self.folder, self.base = folder, base
        if not base:
            template, self.base = _template()
            shutil.copytree(template, folder)

    def git(self, *arguments: str) -> str:
        who = ["-c", "user.name=A Developer", "-c", "user.email=dev@example.org"]
        command = ["git", "-C", str(self.folder), *who, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, files: Mapping[str, str | None], subject: str) -> str:
        """Commit these contents (None removes a file) where HEAD is."""
        for name, content in files.items():
            path = self.folder / name
            if content is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", subject)
        return self.git("rev-parse", "HEAD")

    def change(
        self,
        files: Mapping[str, str | None],
        *,
        on: str | None = None,
        ref: str = REF,
        subject: str = "A change",
    ) -> str:
        """Make a patch set on a commit (default: the first); branches and files stay. One program does it all."""
        lines = [f"commit {ref}", "mark :1", f"committer A Developer <dev@example.org> {time.time():.0f} +0000"]
        lines += [_data(subject), f"from {on or self.base}"]
        for name, content in files.items():
            lines += [f"D {name}"] if content is None else [f"M 100644 inline {name}", _data(content)]
        lines += ["get-mark :1", ""]
        command = ["git", "-C", str(self.folder), "fast-import", "--quiet", "--force"]
        done = subprocess.run(command, check=True, capture_output=True, text=True, input="\n".join(lines))
        return done.stdout.strip()

    def patches(
        self, folder: Path, *commits: Mapping[str, str | None], on: str | None = None, back_to: str = "master"
    ) -> Path:
        """Write a series made on a commit as a folder of patches."""
        self.git("checkout", "-q", "--detach", on or self.base)
        first = self.git("rev-parse", "HEAD")
        for n, files in enumerate(commits, 1):
            self.commit(files, f"Carried {n}")
        self.git("format-patch", "-q", "-o", str(folder), first)
        self.git("checkout", "-q", back_to)
        return folder

    def names(self, sha: str, path: str, *, at: Path) -> str:
        return git("show", f"{sha}:{path}", at=at, limit=LIMIT).stdout.decode()


def _data(content: str) -> str:
    """Return a text as git's fast-import reads it."""
    return f"data {len(content.encode())}\n{content}"


@functools.cache
def _template() -> tuple[Path, str]:
    """Make the repository that all begin as, once, and name its only commit."""
    folder = Path(_FOLDER.name) / "upstream"
    folder.mkdir()
    one = Upstream(folder, "none")
    one.git("init", "-q", "-b", "master")
    return folder, one.commit({"nova/driver.py": text(), "nova/other.py": OTHER, "README": "read me\n"}, "Base")


#: removed when the tests end
_FOLDER = tempfile.TemporaryDirectory(prefix="xenci-upstream-")
