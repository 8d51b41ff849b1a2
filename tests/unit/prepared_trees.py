"""An upstream, mirrors of it, and trees that are prepared from both, for one test each."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.upstream import LIMIT, REF, Upstream
from xenci.gerrit.git import git
from xenci.gerrit.trees import CarryConflict, MergeConflict, Mirrors, Prepared

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Upstream:
    return Upstream(tmp_path_factory.mktemp("first") / "upstream")


@pytest.fixture
def upstream(first: Upstream, tmp_path: Path) -> Upstream:
    """A copy of the first state, for one test alone."""
    return Upstream(shutil.copytree(first.folder, tmp_path / "upstream", symlinks=True), first.base)


@pytest.fixture
def mirrors(tmp_path: Path) -> Mirrors:
    return Mirrors(tmp_path / "mirrors")


Prepare = Callable[..., Prepared | MergeConflict | CarryConflict]


@pytest.fixture
def prepare(upstream: Upstream, mirrors: Mirrors) -> Prepare:
    """Return prepare() with what every test gives alike."""

    def call(commit: str, *series: Path, **changed: object) -> Prepared | MergeConflict | CarryConflict:
        known = {"project": "openstack/nova", "url": str(upstream.folder), "branch": "master", "ref": REF}
        known |= {"sha": commit, "carry_series": series, "name": "buildset-1-job", "at": AT}
        return mirrors.prepare(**(known | changed))  # type: ignore[arg-type]

    return call


def parents(tree: Prepared, sha: str) -> list[str]:
    return git("rev-list", "-1", "--parents", sha, at=tree.repository, limit=LIMIT).text.split()[1:]


def content(tree: Prepared, sha: str, path: str = "nova/driver.py") -> str:
    return git("show", f"{sha}:{path}", at=tree.repository, limit=LIMIT).stdout.decode()
