"""What every ArtifactStore does, by a small one in memory and by the real one on disk."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contracts.memory_store import MemoryStore
from xenci.artifacts.local import LocalStore
from xenci.artifacts.port import ArtifactStore, BadName, Gap, NoArtifact, Stored, TooManyArtifacts
from xenci.config.models import Artifacts

BUILD = "0123456789abcdef0123456789abcdef"
OTHER = "01234567-89ab-cdef-0123-456789abcdef"
_MB = 1024 * 1024

#: makes a store with limits in bytes: of a file, of a build; and a number of files
Make = Callable[[int, int, int], ArtifactStore]


@pytest.fixture(params=["memory", "disk"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    def in_memory(max_file: int, max_build: int, max_files: int) -> ArtifactStore:
        return MemoryStore(max_file=max_file, max_build=max_build, max_files=max_files)

    def on_disk(max_file: int, max_build: int, max_files: int) -> ArtifactStore:
        limits = Artifacts(max_file_mb=max_file / _MB, max_build_mb=max_build / _MB, max_files=max_files)
        return LocalStore(tmp_path / "artifacts", limits)

    return in_memory if request.param == "memory" else on_disk


@pytest.fixture
def store(make: Make) -> ArtifactStore:
    return make(1000, 5000, 10)


def test_what_was_put_is_read_back_and_listed(store: ArtifactStore) -> None:
    assert store.put(BUILD, "logs/nova.log", b"a\0b") == Stored(name="logs/nova.log", size=3)
    store.put(BUILD, "a.txt", io.BytesIO(b"stream"))
    assert store.read(BUILD, "logs/nova.log") == b"a\0b"
    assert store.read(BUILD, "a.txt", offset=2, limit=3) == b"rea"
    with store.open(BUILD, "a.txt", offset=4) as file:
        assert file.read() == b"am"
    assert store.list(BUILD) == [Stored(name="a.txt", size=6), Stored(name="logs/nova.log", size=3)]
    assert store.list(OTHER) == []


def test_a_file_put_again_replaces_the_older_one(store: ArtifactStore) -> None:
    store.put(BUILD, "a", b"x" * 2000)
    assert store.put(BUILD, "a", b"short") == Stored(name="a", size=5)
    assert store.read(BUILD, "a") == b"short"


def test_what_is_not_there_reads_as_nothing_and_cannot_be_opened(store: ArtifactStore) -> None:
    assert store.read(BUILD, "none") == b""
    assert store.size(BUILD, "none") == 0
    store.put(BUILD, "folder/file", b"")
    for name in ("none", "folder", "folder/file/below"):
        with pytest.raises(NoArtifact):
            store.open(BUILD, name)


def test_a_file_grows_by_what_is_new_though_it_is_told_twice(store: ArtifactStore) -> None:
    store.append(BUILD, "log", b"0123", at=0)
    store.append(BUILD, "log", b"2345", at=2)
    store.append(BUILD, "log", b"01", at=0)
    assert store.append(BUILD, "log", b"67") == Stored(name="log", size=8)
    assert store.read(BUILD, "log") == b"01234567"
    assert store.size(BUILD, "log") == 8


def test_bytes_behind_a_gap_are_refused(store: ArtifactStore) -> None:
    store.append(BUILD, "log", b"0123", at=0)
    with pytest.raises(Gap):
        store.append(BUILD, "log", b"x", at=5)
    assert store.read(BUILD, "log") == b"0123"


@pytest.mark.parametrize("as_stream", [False, True])
def test_a_file_over_the_limit_is_cut_and_says_so(store: ArtifactStore, as_stream: bool) -> None:
    data = b"x" * 1001
    stored = store.put(BUILD, "big", io.BytesIO(data) if as_stream else data)
    assert stored == Stored(name="big", size=1000, is_cut=True)
    assert store.list(BUILD) == [stored]
    assert store.put(BUILD, "whole", io.BytesIO(b"x" * 1000)).is_cut is False


def test_a_file_that_was_cut_before_says_so(store: ArtifactStore) -> None:
    store.put(BUILD, "log", b"end", is_cut=True)
    assert store.list(BUILD) == [Stored(name="log", size=3, is_cut=True)]


def test_a_growing_file_that_was_cut_stays_cut_and_still_tells_where_its_next_bytes_begin(
    store: ArtifactStore,
) -> None:
    store.append(BUILD, "log", b"x" * 990, at=0)
    assert store.append(BUILD, "log", b"y" * 20, at=990) == Stored(name="log", size=1000, is_cut=True)
    assert store.size(BUILD, "log") == 1010
    store.append(BUILD, "log", b"z" * 5, at=1010)
    assert store.size(BUILD, "log") == 1015
    assert store.read(BUILD, "log") == b"x" * 990 + b"y" * 10


def test_a_build_over_its_limit_keeps_what_fits(store: ArtifactStore) -> None:
    for i in range(5):
        assert not store.put(BUILD, f"f{i}", b"x" * 990).is_cut
    assert store.put(BUILD, "last", b"x" * 100) == Stored(name="last", size=50, is_cut=True)
    assert store.append(BUILD, "more", b"x", at=0) == Stored(name="more", size=0, is_cut=True)
    assert not store.put(OTHER, "f", b"x" * 990).is_cut
    assert not store.put(BUILD, "f0", b"x" * 900).is_cut


def test_more_files_than_allowed_are_refused_and_known_ones_still_grow(store: ArtifactStore) -> None:
    for i in range(10):
        store.put(BUILD, f"f{i}", b"")
    with pytest.raises(TooManyArtifacts):
        store.put(BUILD, "one-more", b"")
    with pytest.raises(TooManyArtifacts):
        store.append(BUILD, "one-more", b"")
    store.append(BUILD, "f0", b"x")
    store.put(OTHER, "f", b"")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/passwd",
        "../x",
        "a/../b",
        "a//b",
        "a/",
        ".hidden",
        "a/.b",
        "a b",
        "a\nb",
        "a%b",
        "ä",
        "x" * 121,
        "a/b/c/d/e/f/g",
    ],
)
def test_names_that_are_not_plain_are_refused_everywhere(store: ArtifactStore, name: str) -> None:
    for attempt in (
        lambda: store.put(BUILD, name, b""),
        lambda: store.append(BUILD, name, b""),
        lambda: store.open(BUILD, name),
        lambda: store.read(BUILD, name),
        lambda: store.size(BUILD, name),
    ):
        with pytest.raises(BadName):
            attempt()


@pytest.mark.parametrize("build", ["", "..", "x", BUILD[:-1], BUILD.upper() + "/", f"{BUILD}/.."])
def test_a_build_that_is_no_uuid_is_refused(store: ArtifactStore, build: str) -> None:
    for attempt in (lambda: store.put(build, "a", b""), lambda: store.list(build), lambda: store.remove(build)):
        with pytest.raises(BadName):
            attempt()


def test_a_file_cannot_be_a_folder_too(store: ArtifactStore) -> None:
    store.put(BUILD, "a/b", b"")
    for name in ("a", "a/b/c"):
        with pytest.raises(BadName):
            store.put(BUILD, name, b"")
        with pytest.raises(BadName):
            store.append(BUILD, name, b"")
    assert [stored.name for stored in store.list(BUILD)] == ["a/b"]


def test_a_removed_build_is_gone_and_others_stay(store: ArtifactStore) -> None:
    store.put(BUILD, "a", b"x" * 2000)
    store.put(OTHER, "a", b"x")
    store.remove(BUILD)
    store.remove(BUILD)
    assert store.list(BUILD) == []
    assert store.size(BUILD, "a") == 0
    assert store.read(OTHER, "a") == b"x"


def test_the_space_left_is_told(store: ArtifactStore) -> None:
    assert store.free_gb() > 0
