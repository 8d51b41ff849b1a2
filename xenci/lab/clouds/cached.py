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


def mark(folder: Path, made_of: str, *, hashed: bool = False) -> None:
    """Say that the folder is whole. With `hashed` its files' content is noted too, not only their number and size."""
    text = json.dumps({"fingerprint": made_of, "inventory": _inventory(folder, hashed=hashed), "hashed": hashed})
    new = folder / (_MARK + ".new")
    new.write_text(text)
    new.rename(folder / _MARK)


def why_not_usable(folder: Path, made_of: str) -> str | None:
    """Return why a cached folder has to be made (again), or None if it is whole and up to date."""
    if not folder.exists():
        return "it is not there"
    try:
        known = json.loads((folder / _MARK).read_text())
    except FileNotFoundError:
        return "an earlier attempt was interrupted"
    except (OSError, ValueError) as error:
        return f"its mark cannot be read ({error})"
    if known["fingerprint"] != made_of:
        return "its recipe has changed"
    found = _inventory(folder, hashed=known["hashed"])
    if found != known["inventory"]:
        return f"it is damaged: {_difference(known['inventory'], found)}"
    return None


def _difference(known: dict[str, int | str], found: dict[str, int | str]) -> str:
    return ", ".join(f"{key} {found[key]} instead of {known[key]}" for key in known if found[key] != known[key])


def _inventory(folder: Path, *, hashed: bool) -> dict[str, int | str]:
    files = [path for path in _files(folder) if path.name not in (_MARK, _MARK + ".new")]
    sizes = [os.lstat(path).st_size for path in files]
    content = fingerprint(*sorted(f for f in files if not f.is_symlink())) if hashed else "not looked at"
    return {"files": len(files), "bytes": sum(sizes), "content": content}


def _files(folder: Path) -> Iterator[Path]:
    """Walk all files below a folder, links included but not followed; Python's bytecode comes and goes."""
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        yield from (Path(parent, name) for name in names if not name.endswith(".pyc"))
