"""Golden folders: damage, age and half-made ones are noticed, with the reason."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from xenci.lab.images import golden

HOLE = 4 << 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "box"
    made.mkdir()
    (made / "machine.json").write_text("{}")
    (made / "memory.zst").write_bytes(b"m" * 5000)
    with (made / "base.raw").open("wb") as disk:  # data, a hole, data, and a hole at the end
        disk.write(b"d" * 4096)
        disk.seek(HOLE)
        disk.write(b"e" * 4096)
        disk.truncate(2 * HOLE)
    golden.seal(made, "recipe 1")
    return made


def rewrite(file: Path, data: bytes, *, keep_time: bool = False) -> None:
    stat = file.stat()
    file.chmod(0o644)
    file.write_bytes(data)
    if keep_time:
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def poke(file: Path, at: int, data: bytes) -> None:
    file.chmod(0o644)
    with file.open("r+b") as disk:
        disk.seek(at)
        disk.write(data)


def test_a_sealed_folder_is_good_and_read_only(folder: Path) -> None:
    assert golden.faults(folder, "recipe 1") == []
    assert golden.faults(folder, "recipe 1", thorough=True) == []
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o444}
    assert folder.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda f: rewrite(f / "memory.zst", b"m" * 4000), "damaged: memory.zst has 4000 bytes instead of 5000"),
        (lambda f: rewrite(f / "memory.zst", b"x" * 5000), "damaged: memory.zst is not what was written"),
        (lambda f: poke(f / "base.raw", HOLE, b"X"), "damaged: base.raw is not what was written"),
        (lambda f: poke(f / "base.raw", HOLE // 2, b"X"), "damaged: base.raw is not what was written"),
        (lambda f: (f / "memory.zst").unlink(), "damaged: memory.zst is missing"),
        (lambda f: rewrite(f / golden.MARKER, b"{half"), "damaged: its marker cannot be read"),
        (lambda f: rewrite(f / golden.MARKER, b"[]"), "damaged: its marker cannot be read"),
        (lambda f: (f / golden.MARKER).unlink(), "it was not finished"),
    ],
)
def test_damage_is_noticed_with_its_reason(folder: Path, damage: Callable[[Path], object], reason: str) -> None:
    damage(folder)
    assert golden.faults(folder, "recipe 1") == [reason]


def test_a_folder_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    assert golden.faults(tmp_path / "nothing", "recipe 1") == ["there is none"]


def test_a_changed_recipe_makes_the_image_outdated(folder: Path) -> None:
    (reason,) = golden.faults(folder, "recipe 2")
    assert reason.startswith("outdated: its recipe has changed since it was made (20")


def test_damage_that_leaves_size_and_time_alone_is_found_by_reading_all(folder: Path) -> None:
    rewrite(folder / "memory.zst", b"x" * 5000, keep_time=True)
    assert golden.faults(folder, "recipe 1") == []
    assert golden.faults(folder, "recipe 1", thorough=True) == ["damaged: memory.zst is not what was written"]


def test_a_cache_that_was_copied_without_its_times_and_holes_is_good(folder: Path) -> None:
    rewrite(folder / "base.raw", (folder / "base.raw").read_bytes())
    os.utime(folder / "memory.zst", (1, 1))
    assert golden.faults(folder, "recipe 1") == []


def test_a_new_folder_takes_the_place_of_the_old_one(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "images" / "box"
    golden.publish(folder, target)
    newer = tmp_path / "newer"
    newer.mkdir()
    (newer / "machine.json").write_text('{"newer": true}')
    golden.seal(newer, "recipe 2")
    golden.publish(newer, target)
    assert golden.faults(target, "recipe 2") == []
    assert sorted(file.name for file in target.iterdir()) == [golden.MARKER, "machine.json"]
    assert [path.name for path in target.parent.iterdir()] == ["box"]
