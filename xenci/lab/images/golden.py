"""The golden folder of an image: what it consists of, whether it is whole, and how a new one takes its place.

The marker `complete` is written last and holds the manifest. The usual look compares sizes and times, which costs
nothing; a file whose time differs is read, as a copied cache is not a damaged one. Holes in a disk are not read.
"""

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

MARKER = "complete"
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """What the manifest says of one file."""

    size: int
    mtime_ns: int
    #: SHA-256 of the data and where it lies, without the zeros
    content: str


def seal(folder: Path, fingerprint: str) -> None:
    """Make the folder's files read-only for all, and write the marker with the manifest."""
    for file in _files(folder):
        file.chmod(0o444)
    manifest = {file.name: _noted(file) for file in _files(folder)}
    _write_marker(folder, fingerprint, datetime.now(UTC).isoformat(), manifest)
    folder.chmod(0o755)


def publish(made: Path, target: Path) -> None:
    """Put a sealed folder into its place; what was there is moved aside first and then removed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    made.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def faults(folder: Path, fingerprint: str, *, thorough: bool = False) -> list[str]:
    """Return why the folder is not usable; empty means good. With `thorough` every file is read (10 s for a node)."""
    if not folder.exists():
        return ["there is none"]
    try:
        raw = json.loads((folder / MARKER).read_text())
        manifest = {name: Noted(**noted) for name, noted in raw["files"].items()}
        made_from, made_at = str(raw["fingerprint"]), str(raw["made_at"])
    except FileNotFoundError:
        return ["it was not finished"]
    except (ValueError, KeyError, TypeError):
        return ["damaged: its marker cannot be read"]
    found = [fault for name, noted in manifest.items() if (fault := _fault(folder / name, noted, thorough))]
    if made_from != fingerprint:
        found.append(f"outdated: its recipe has changed since it was made ({made_at[:16].replace('T', ' ')} UTC)")
    return found


def _fault(file: Path, noted: Noted, thorough: bool) -> str:
    try:
        stat = file.stat()
        if stat.st_size != noted.size:
            return f"damaged: {file.name} has {stat.st_size} bytes instead of {noted.size}"
        if (thorough or stat.st_mtime_ns != noted.mtime_ns) and _content(file) != noted.content:
            return f"damaged: {file.name} is not what was written"
    except FileNotFoundError:
        return f"damaged: {file.name} is missing"
    except OSError as error:
        return f"damaged: {file.name} cannot be read ({error.strerror})"
    return ""


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.is_file() and file.name != MARKER)


def _noted(file: Path) -> Noted:
    stat = file.stat()
    return Noted(size=stat.st_size, mtime_ns=stat.st_mtime_ns, content=_content(file))


def _write_marker(folder: Path, fingerprint: str, made_at: str, manifest: dict[str, Noted]) -> None:
    files = {
        name: {"size": noted.size, "mtime_ns": noted.mtime_ns, "content": noted.content}
        for name, noted in manifest.items()
    }
    new = folder / f"{MARKER}.new"
    new.write_text(json.dumps({"fingerprint": fingerprint, "made_at": made_at, "files": files}, indent=1))
    new.chmod(0o444)
    new.rename(folder / MARKER)


def _content(file: Path) -> str:
    digest, zeros = hashlib.sha256(), bytes(_BLOCK)
    handle = os.open(file, os.O_RDONLY)
    try:
        end, at = os.fstat(handle).st_size, 0
        while at < end:
            try:
                at = os.lseek(handle, at, os.SEEK_DATA) // _BLOCK * _BLOCK
            except OSError:  # nothing but a hole up to the end
                break
            block = os.pread(handle, _BLOCK, at)
            if block != zeros[: len(block)]:
                digest.update(b"%d " % at + block)
            at += _BLOCK
        return digest.hexdigest()
    finally:
        os.close(handle)
