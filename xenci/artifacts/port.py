"""What the loops and pages ask of the place where a build's files are kept.

A name comes from a node and is hostile: what is no plain relative name is refused here, once, for every store.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from xenci.errors import NotFound, Permanent, Temporary
from xenci.rules.names import is_plain

_BUILD = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class BadName(Permanent):
    """That is no name for an artifact."""


class NoArtifact(NotFound):
    """There is no such artifact."""


class TooManyArtifacts(Permanent):
    """The build has too many files."""


class Gap(Temporary):
    """Bytes were to be added behind the end of an artifact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A file as it is kept."""

    #: relative, with `/`
    name: str
    #: bytes kept
    size: int
    #: it was larger than is allowed: the end is missing
    is_cut: bool = False


class Readable(Protocol):
    """What put() reads a file from."""

    def read(self, size: int, /) -> bytes: ...


class ArtifactStore(Protocol):
    """Files by build and name. A build is named by its uuid. All raise BadName; OSError if a disk fails."""

    def put(self, build: str, name: str, data: bytes | Readable, *, is_cut: bool = False) -> Stored:
        """Keep a file whole, in place of an older one of that name; what is over a limit is cut.

        `is_cut` says that it was cut before it came here.

        Raises TooManyArtifacts.
        """

    def append(self, build: str, name: str, data: bytes, *, at: int | None = None) -> Stored:
        """Add to a file's end. With `at`, the offset of `data`: what is there already is left out.

        Raises Gap if bytes before `at` are missing, TooManyArtifacts.
        """

    def open(self, build: str, name: str, *, offset: int = 0) -> BinaryIO:
        """Open a file for reading from an offset. Raises NoArtifact."""

    def read(self, build: str, name: str, *, offset: int = 0, limit: int | None = None) -> bytes:
        """Return a file's bytes from an offset; nothing if there is no such file."""

    def size(self, build: str, name: str) -> int:
        """Return how many bytes of a file were taken, cut ones too: where its next bytes begin. 0 if there is none."""

    def list(self, build: str) -> Sequence[Stored]:
        """Return a build's files by name."""

    def remove(self, build: str) -> None:
        """Remove a build's files; a build without any is no error."""

    def free_gb(self) -> float:
        """Return the space left, in GB."""


def check_name(build: str, name: str = "index") -> None:
    """Raise BadName for a build that is no uuid or a name that is not plain."""
    if not _BUILD.fullmatch(build):
        raise BadName(f"build {build[:80]!r} is no uuid")
    if not is_plain(name):
        raise BadName(f"{name[:300]!r}")
