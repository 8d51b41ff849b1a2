"""The clouds' part of the cache: marked when it is whole, checked before it is used.

A cached folder counts only if it holds a mark, which is written last: so what was interrupted is made again. The mark
names what it was made from (a fingerprint) and what it consists of (files and bytes), so that a cache that is outdated
or damaged is noticed, and the person is told which of the two.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

_MARK = "made.json"
_EMPTY = {"fingerprint": "", "files": 0, "bytes": 0, "contents": None}


def fingerprint(*parts: str | Path) -> str:
    """Return a digest of texts, of files and of all files in folders: by name and content, without bytecode."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            digest.update(b"text %d %s" % (len(part.encode()), part.encode()))
            continue
        for path in sorted(_files(part)) if part.is_dir() else [part]:
            content = path.read_bytes()
            name = str(path.relative_to(part.parent)).encode()
            digest.update(b"file %d %s %d " % (len(name), name, len(content)) + content)
    return digest.hexdigest()


def mark(folder: Path, made_of: str, *, contents: bool = False) -> None:
    """Say that the folder is whole. With `contents` what its files contain is noted too, not only how many they are."""
    noted = {"fingerprint": made_of, **_sizes(folder), "contents": _contents(folder) if contents else None}
    new = folder / (_MARK + ".new")
    new.write_text(json.dumps(noted))
    new.rename(folder / _MARK)


def why_not_usable(folder: Path, made_of: str, *, thorough: bool = False) -> str | None:
    """Return why a cached folder has to be made (again), or None if it is whole and up to date.

    With `thorough` every file is read, where mark() noted what is in them.
    """
    if not folder.exists():
        return "it is not there"
    try:
        noted = {**_EMPTY, **json.loads((folder / _MARK).read_text())}
    except FileNotFoundError:
        return "an earlier attempt was interrupted"
    except (OSError, ValueError, TypeError) as error:
        return f"its mark cannot be read ({error})"
    if noted["fingerprint"] != made_of:
        return "its recipe has changed"
    for what, found in _sizes(folder).items():
        if found != noted[what]:
            return f"it is damaged: {found} {what} instead of {noted[what]}"
    if thorough and noted["contents"] is not None and noted["contents"] != _contents(folder):
        return "it is damaged: a file is not what was written"
    return None


def _sizes(folder: Path) -> dict[str, int]:
    sizes = [os.lstat(path).st_size for path in _content_files(folder)]
    return {"files": len(sizes), "bytes": sum(sizes)}


def _contents(folder: Path) -> str:
    return fingerprint(*sorted(path for path in _content_files(folder) if not path.is_symlink()))


def _content_files(folder: Path) -> Iterator[Path]:
    return (path for path in _files(folder) if path.name not in (_MARK, _MARK + ".new"))


def _files(folder: Path) -> Iterator[Path]:
    """Walk all files below a folder, links included but not followed; Python's bytecode comes and goes."""
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        yield from (Path(parent, name) for name in names if not name.endswith(".pyc"))
