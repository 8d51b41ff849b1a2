"""Commands of git: ended in time, deaf to the user's configuration, of a version that can do it."""

import time
from datetime import timedelta
from pathlib import Path

import pytest

from tests.upstream import LIMIT
from xenci.gerrit.failures import OldGit
from xenci.gerrit.git import GitTimeout, check_git, git


def test_a_git_command_that_takes_too_long_is_ended_with_what_it_started(tmp_path: Path) -> None:
    slow = {"alias.slow": "!sleep 1000 & echo $! > pid; wait"}
    with pytest.raises(GitTimeout):
        git("slow", at=tmp_path, limit=timedelta(seconds=1), settings=slow)
    started = Path("/proc") / (tmp_path / "pid").read_text().strip() / "stat"
    limit = time.monotonic() + 60
    # who is killed is gone when a core has had time for it, and may be left as a zombie where nobody waits for it
    while started.exists() and started.read_text().split()[2] != "Z":
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_git_hears_nothing_of_the_users_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".gitconfig").write_text("[user]\n\tname = Somebody\n[alias]\n\tx = !false\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody")
    said = git("config", "--list", at=tmp_path, limit=LIMIT).text.splitlines()
    assert "user.name=xenci" in said
    assert not [line for line in said if "Somebody" in line or line.startswith("alias")]


def test_the_installed_git_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_git()
    old = tmp_path / "git"
    old.write_text("#!/bin/sh\necho git version 2.30.2\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(OldGit, match=r"2\.38"):
        check_git()
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    with pytest.raises(OldGit, match="not installed"):
        check_git()
