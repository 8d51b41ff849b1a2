"""How artifacts lie on disk: as a web server can serve them, and never half."""

from pathlib import Path

import pytest

from xenci.artifacts.local import LocalStore

BUILD = "0123456789abcdef0123456789abcdef"


def test_a_file_lies_at_build_and_name(tmp_path: Path) -> None:
    LocalStore(tmp_path).put(BUILD, "logs/nova.log", b"text")
    assert (tmp_path / BUILD / "logs" / "nova.log").read_bytes() == b"text"


def test_a_stream_that_breaks_leaves_the_older_file_and_nothing_beside_it(tmp_path: Path) -> None:
    class Broken:
        def __init__(self) -> None:
            self.pieces = [b"new"]

        def read(self, size: int, /) -> bytes:
            if not self.pieces:
                raise ConnectionResetError
            return self.pieces.pop()

    store = LocalStore(tmp_path)
    store.put(BUILD, "log", b"old")
    with pytest.raises(ConnectionResetError):
        store.put(BUILD, "log", Broken())
    assert store.read(BUILD, "log") == b"old"
    assert [path.name for path in (tmp_path / BUILD).iterdir()] == ["log"]


def test_another_process_sees_what_one_has_taken(tmp_path: Path) -> None:
    LocalStore(tmp_path).append(BUILD, "log", b"0123", at=0)
    assert LocalStore(tmp_path).size(BUILD, "log") == 4
    assert LocalStore(tmp_path).append(BUILD, "log", b"0123456", at=0).size == 7


def test_the_space_left_is_that_of_the_disk_even_before_the_folder_is_made(tmp_path: Path) -> None:
    assert LocalStore(tmp_path / "not" / "yet").free_gb() == pytest.approx(LocalStore(tmp_path).free_gb(), abs=1)
