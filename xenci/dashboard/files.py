"""The files of a build: those that were written down, and while it runs those that are already there."""

from dataclasses import dataclass

from xenci.artifacts.port import ArtifactStore
from xenci.rules.names import is_plain
from xenci.store.tables import BuildRow


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of a build."""

    name: str
    size: int
    is_cut: bool
    #: written down, and no longer kept
    is_gone: bool


def files_of(store: ArtifactStore, build: BuildRow) -> list[File]:
    """Return a build's files by name."""
    here = {
        one.name: File(name=one.name, size=one.size, is_cut=one.is_cut, is_gone=False)
        for one in store.list(build.uuid)
        if is_plain(one.name)
    }
    gone = {
        row.name: File(name=row.name, size=row.size, is_cut=row.is_cut, is_gone=True)
        for row in build.artifacts
        if row.name not in here and is_plain(row.name)
    }
    return sorted((here | gone).values(), key=lambda file: file.name)
