"""A small ArtifactStore, in memory."""

import io
from typing import BinaryIO

from xenci.artifacts.port import BadName, Gap, NoArtifact, Readable, Stored, TooManyArtifacts, check_name


class MemoryStore:
    """Files in a dict; `max_file` bytes of each, `max_build` of all, `max_files` of a build."""

    def __init__(self, *, max_file: int = 1 << 20, max_build: int = 1 << 24, max_files: int = 1000) -> None:
        self.max_file, self.max_build, self.max_files = max_file, max_build, max_files
        self._kept: dict[str, dict[str, bytes]] = {}
        self._taken: dict[tuple[str, str], int] = {}

    def put(self, build: str, name: str, data: bytes | Readable, *, is_cut: bool = False) -> Stored:
        files = self._files(build, name)
        files.pop(name, None)
        room = min(self.max_file, self.max_build - sum(map(len, files.values())))
        whole = data if isinstance(data, bytes) else b"".join(iter(lambda: data.read(4096), b""))
        files[name] = whole[:room]
        self._taken[build, name] = len(whole) + is_cut
        return self._stored(build, name)

    def append(self, build: str, name: str, data: bytes, *, at: int | None = None) -> Stored:
        files, taken = self._files(build, name), self.size(build, name)
        if at is not None:
            if at > taken:
                raise Gap
            data = data[taken - at :]
        kept = files.setdefault(name, b"")
        room = min(self.max_file - len(kept), self.max_build - sum(map(len, files.values())))
        if len(kept) == taken:
            files[name] += data[: max(0, room)]
        self._taken[build, name] = taken + len(data)
        return self._stored(build, name)

    def open(self, build: str, name: str, *, offset: int = 0) -> BinaryIO:
        check_name(build, name)
        if name not in self._kept.get(build, {}):
            raise NoArtifact(name)
        return io.BytesIO(self._kept[build][name][offset:])

    def read(self, build: str, name: str, *, offset: int = 0, limit: int | None = None) -> bytes:
        check_name(build, name)
        data = self._kept.get(build, {}).get(name, b"")[offset:]
        return data if limit is None else data[:limit]

    def size(self, build: str, name: str) -> int:
        check_name(build, name)
        return self._taken.get((build, name), 0)

    def list(self, build: str) -> list[Stored]:
        check_name(build)
        return [self._stored(build, name) for name in sorted(self._kept.get(build, {}))]

    def remove(self, build: str) -> None:
        check_name(build)
        for name in self._kept.pop(build, {}):
            del self._taken[build, name]

    def free_gb(self) -> float:
        return 1.0

    def _files(self, build: str, name: str) -> dict[str, bytes]:
        check_name(build, name)
        files = self._kept.setdefault(build, {})
        if any(other.startswith(f"{name}/") or name.startswith(f"{other}/") for other in files):
            raise BadName(name)
        if name not in files and len(files) >= self.max_files:
            raise TooManyArtifacts(name)
        return files

    def _stored(self, build: str, name: str) -> Stored:
        size = len(self._kept[build][name])
        return Stored(name=name, size=size, is_cut=self.size(build, name) > size)
