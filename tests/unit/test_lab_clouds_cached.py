"""What is cached counts only when it is whole, undamaged and made of today's inputs."""

from pathlib import Path

import pytest

from xenci.lab.clouds import cached


@pytest.fixture
def made(tmp_path: Path) -> Path:
    folder = tmp_path / "made"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "file").write_text("content")
    (folder / "link").symlink_to("/nowhere")
    return folder


@pytest.mark.parametrize("contents", [True, False])
@pytest.mark.parametrize("thorough", [True, False])
def test_a_marked_folder_is_usable(made: Path, contents: bool, thorough: bool) -> None:
    cached.mark(made, "inputs", contents=contents)
    assert cached.why_not_usable(made, "inputs", thorough=thorough) is None


def test_a_folder_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    assert cached.why_not_usable(tmp_path / "none", "inputs") == "it is not there"


def test_a_folder_without_a_mark_was_interrupted(made: Path) -> None:
    assert cached.why_not_usable(made, "inputs") == "an earlier attempt was interrupted"


def test_other_inputs_make_it_outdated(made: Path) -> None:
    cached.mark(made, "inputs")
    assert cached.why_not_usable(made, "other inputs") == "its recipe has changed"


def test_a_half_written_mark_does_not_count(made: Path) -> None:
    cached.mark(made, "inputs")
    mark = made / "made.json"
    mark.write_text(mark.read_text()[:20])
    assert "its mark cannot be read" in (cached.why_not_usable(made, "inputs") or "")


def test_a_missing_file_is_noticed(made: Path) -> None:
    cached.mark(made, "inputs")
    (made / "sub" / "file").unlink()
    assert "damaged: 1 files instead of 2" in (cached.why_not_usable(made, "inputs") or "")


def test_a_truncated_file_is_noticed(made: Path) -> None:
    cached.mark(made, "inputs")
    (made / "sub" / "file").write_text("cont")
    assert "bytes instead of" in (cached.why_not_usable(made, "inputs") or "")


def test_a_changed_byte_is_noticed_by_a_thorough_look(made: Path) -> None:
    cached.mark(made, "inputs", contents=True)
    (made / "sub" / "file").write_text("CONTENT")
    assert "not what was written" in (cached.why_not_usable(made, "inputs", thorough=True) or "")


def test_bytecode_that_python_writes_later_is_no_damage(made: Path) -> None:
    cached.mark(made, "inputs", contents=True)
    (made / "sub" / "__pycache__").mkdir()
    (made / "sub" / "__pycache__" / "file.cpython-311.pyc").write_text("code")
    assert cached.why_not_usable(made, "inputs", thorough=True) is None


def test_a_fingerprint_knows_the_bounds_of_its_parts(tmp_path: Path) -> None:
    assert cached.fingerprint("ab", "c") != cached.fingerprint("a", "bc")
    (tmp_path / "x").write_text("1")
    before = cached.fingerprint(tmp_path)
    (tmp_path / "x").rename(tmp_path / "y")
    assert cached.fingerprint(tmp_path) != before
