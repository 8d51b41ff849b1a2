"""The repository of an upstream project: one that is not usable is noticed, with the reason."""

import json
import subprocess
from pathlib import Path

import pytest

from xenci.lab.images.upstream import NOVA, why_not_usable


def git(*arguments: str) -> str:
    who = ["-c", "user.name=upstream", "-c", "user.email=upstream@lab.invalid"]
    return subprocess.run(["git", *who, *arguments], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    work, bare = tmp_path / "work", tmp_path / "nova.git"
    (work / "nova/virt/libvirt").mkdir(parents=True)
    (work / "setup.cfg").write_text("[metadata]\n")
    (work / "nova/virt/libvirt/driver.py").write_text("virt_type = 'kvm'\n")
    git("init", "-q", "-b", NOVA.branch, str(work))
    git("-C", str(work), "add", "-A")
    git("-C", str(work), "commit", "-qm", "Nova")
    git("clone", "-q", "--bare", str(work), str(bare))
    commit = git("-C", str(bare), "rev-parse", NOVA.branch)
    (tmp_path / "nova.git.json").write_text(json.dumps({"version": NOVA.version, "commit": commit}))
    return bare


def test_a_whole_repository_is_used(repository: Path) -> None:
    assert why_not_usable(repository, NOVA) == ""


def test_a_repository_that_was_not_finished_is_not_used(repository: Path) -> None:
    (repository.parent / "nova.git.json").unlink()
    assert why_not_usable(repository, NOVA) == "there is no repository of it"


def test_a_repository_of_another_release_is_not_used(repository: Path) -> None:
    (repository.parent / "nova.git.json").write_text(json.dumps({"version": "22.0.1", "commit": "x"}))
    assert why_not_usable(repository, NOVA) == "the repository holds Nova 22.0.1"


def test_a_branch_that_was_moved_is_told(repository: Path, tmp_path: Path) -> None:
    git("-C", str(tmp_path / "work"), "commit", "-q", "--allow-empty", "-m", "a change that somebody pushed here")
    git("-C", str(tmp_path / "work"), "push", "-q", str(repository), NOVA.branch)
    assert why_not_usable(repository, NOVA).startswith(f"its branch {NOVA.branch} was moved to ")


def test_lost_objects_are_told_in_gits_own_words(repository: Path) -> None:
    blob = git("-C", str(repository), "rev-parse", f"{NOVA.branch}:nova/virt/libvirt/driver.py")
    (repository / "objects" / blob[:2] / blob[2:]).unlink()
    assert why_not_usable(repository, NOVA).startswith("the repository is damaged (error: cannot read ")
