"""Artifacts as files in a folder: `FOLDER/BUILD/NAME`, which a web server can serve as they are.

A file put whole is written beside its place and renamed, so a reader never sees half of it. What is cut at a limit has
a note in `.cut` with the number of bytes that were taken for it: names of artifacts never begin with a dot.
"""

import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from xenci.artifacts.port import BadName, Gap, NoArtifact, Readable, Stored, TooManyArtifacts, check_name
from xenci.config.models import Artifacts

_MB = 1024 * 1024
_PIECE = 256 * 1024
_CUT = ".cut"


class LocalStore:
    """See port.ArtifactStore."""

    def __init__(self, folder: Path, limits: Artifacts | None = None) -> None:
        limits = limits or Artifacts()
        self._folder = folder
        self._max_file = int(limits.max_file_mb * _MB)
        self._max_build = int(limits.max_build_mb * _MB)
        self._max_files = limits.max_files

    def put(self, build: str, name: str, data: bytes | Readable, *, is_cut: bool = False) -> Stored:
        path = self._prepare(build, name)
        old = path.stat().st_size if path.exists() else 0
        room = min(self._max_file, max(0, self._max_build - self._total(build) + old))
        new = self._folder / build / f".new-{secrets.token_hex(8)}"
        try:
            with new.open("xb") as file:
                taken = _write(file, data, room)
            new.replace(path)
        except IsADirectoryError as error:
            raise BadName(f"{name!r} is a folder of the build") from error
        finally:
            new.unlink(missing_ok=True)
        return self._note(build, name, size=min(taken, room), taken=taken + is_cut)

    def append(self, build: str, name: str, data: bytes, *, at: int | None = None) -> Stored:
        path = self._prepare(build, name)
        taken = self.size(build, name)
        if at is not None:
            if at > taken:
                raise Gap(f"{name} of {build} has {taken} bytes, the next are {at}")
            data = data[taken - at :]
        try:
            with path.open("ab") as file:
                size = file.tell()
                room = max(0, min(self._max_file - size, self._max_build - self._total(build)))
                # once cut, for ever cut: what follows a gap would be read as one text
                kept = data[:room] if size == taken else b""
                file.write(kept)
        except IsADirectoryError as error:
            raise BadName(f"{name!r} is a folder of the build") from error
        return self._note(build, name, size=size + len(kept), taken=taken + len(data))

    def open(self, build: str, name: str, *, offset: int = 0) -> BinaryIO:
        check_name(build, name)
        try:
            file = (self._folder / build / name).open("rb")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise NoArtifact(f"{name} of build {build}") from error
        file.seek(offset)
        return file

    def read(self, build: str, name: str, *, offset: int = 0, limit: int | None = None) -> bytes:
        try:
            with self.open(build, name, offset=offset) as file:
                return file.read(-1 if limit is None else limit)
        except NoArtifact:
            return b""

    def size(self, build: str, name: str) -> int:
        check_name(build, name)
        cut, path = self._cut(build, name), self._folder / build / name
        if cut.is_file():
            return int(cut.read_text())
        return path.stat().st_size if path.is_file() else 0

    def list(self, build: str) -> list[Stored]:
        check_name(build)
        return [
            Stored(name=name, size=path.stat().st_size, is_cut=self._cut(build, name).is_file())
            for name, path in sorted(self._files(build))
        ]

    def remove(self, build: str) -> None:
        check_name(build)
        folder = self._folder / build
        if folder.is_dir():
            shutil.rmtree(folder)

    def free_gb(self) -> float:
        folder = self._folder
        while not folder.exists():
            folder = folder.parent
        stat = os.statvfs(folder)
        return stat.f_bavail * stat.f_frsize / 1e9

    def _prepare(self, build: str, name: str) -> Path:
        check_name(build, name)
        path = self._folder / build / name
        if not path.exists() and sum(1 for _ in self._files(build)) >= self._max_files:
            raise TooManyArtifacts(f"{build} has {self._max_files}, {name} is one more")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise BadName(f"{name!r} lies below a file of the build") from error
        return path

    def _files(self, build: str) -> Iterator[tuple[str, Path]]:
        root = self._folder / build
        for folder, folders, files in os.walk(root):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for file in files:
                if not file.startswith("."):
                    path = Path(folder, file)
                    yield path.relative_to(root).as_posix(), path

    def _total(self, build: str) -> int:
        return sum(path.stat().st_size for _, path in self._files(build))

    def _cut(self, build: str, name: str) -> Path:
        return self._folder / build / _CUT / name.replace("/", "%")

    def _note(self, build: str, name: str, *, size: int, taken: int) -> Stored:
        note = self._cut(build, name)
        if taken > size:
            note.parent.mkdir(exist_ok=True)
            note.write_text(str(taken))
        else:
            note.unlink(missing_ok=True)
        return Stored(name=name, size=size, is_cut=taken > size)


def _write(file: BinaryIO, data: bytes | Readable, room: int) -> int:
    """Write at most `room` bytes, and return how many there were; of a stream only one more is looked at."""
    if isinstance(data, bytes):
        file.write(data[:room])
        return len(data)
    taken = 0
    while taken <= room and (piece := data.read(min(_PIECE, room + 1 - taken))):
        file.write(piece[: room - taken])
        taken += len(piece)
    return taken
