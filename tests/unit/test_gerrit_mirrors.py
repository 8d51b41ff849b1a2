"""Mirrors: what a server does not have, what is busy, kept by name, left by a killed process, and cleared away."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.prepared_trees import AT, Prepare, content, first, mirrors, prepare, upstream
from tests.upstream import LIMIT, Upstream, text
from xenci.errors import NotFound
from xenci.gerrit import mirror
from xenci.gerrit.failures import FetchFailed, HostileName, MirrorBusy
from xenci.gerrit.git import git
from xenci.gerrit.trees import Mirrors, Prepared

__all__ = ["first", "mirrors", "prepare", "upstream"]


def test_a_change_or_branch_that_is_not_there_is_told_from_a_server_that_is_not(
    upstream: Upstream, prepare: Prepare, tmp_path: Path
) -> None:
    with pytest.raises(NotFound):
        prepare(upstream.base, ref="refs/changes/02/2/1")
    with pytest.raises(NotFound):
        prepare(upstream.base, branch="stable/none")
    with pytest.raises(NotFound):
        prepare(upstream.base, url=str(tmp_path / "none"))
    with pytest.raises(FetchFailed, match="connect") as caught:
        prepare(upstream.base, url="http://user:hunter2@127.0.0.1:1/openstack/nova")
    assert "hunter2" not in caught.value.sentence


def test_a_reference_that_is_another_commit_than_expected_is_tried_again(upstream: Upstream, prepare: Prepare) -> None:
    upstream.change({"README": "x\n"})
    with pytest.raises(FetchFailed, match="expected"):
        prepare(upstream.base)


def test_what_a_killed_process_left_is_cleared_away(
    upstream: Upstream, prepare: Prepare, mirrors: Mirrors, tmp_path: Path
) -> None:
    series = upstream.patches(tmp_path / "carry", {"nova/driver.py": text(l20="xen")})
    sha = upstream.change({"README": "x\n"})
    before = prepare(sha, series)
    repository = mirrors.repository("openstack/nova")
    for lock in ("packed-refs.lock", "refs/heads/master.lock", "refs/xenci/buildset-1-job/tree.lock", "config.lock"):
        (repository / lock).write_text("")
    scratch = repository.with_name(repository.name + "-scratch")
    git("worktree", "add", "-q", "--detach", str(scratch / "carry"), sha, at=repository, limit=LIMIT)
    assert prepare(sha, series) == before


def test_a_half_made_mirror_is_made_anew(upstream: Upstream, prepare: Prepare, mirrors: Mirrors) -> None:
    repository = mirrors.repository("openstack/nova")
    (repository / "objects").mkdir(parents=True)
    assert isinstance(prepare(upstream.change({"README": "x\n"})), Prepared)


def test_nothing_of_a_scratch_tree_is_left(
    upstream: Upstream, prepare: Prepare, mirrors: Mirrors, tmp_path: Path
) -> None:
    series = upstream.patches(tmp_path / "carry", {"nova/driver.py": text(l20="xen")})
    prepare(upstream.change({"README": "x\n"}), series)
    prepare(upstream.change({"nova/driver.py": text(l20="no")}), series)
    repository = mirrors.repository("openstack/nova")
    assert not repository.with_name(repository.name + "-scratch").exists()
    assert not list(repository.glob("worktrees/*"))


def test_two_at_once_do_not_disturb_each_other(upstream: Upstream, prepare: Prepare, tmp_path: Path) -> None:
    series = upstream.patches(tmp_path / "carry", {"nova/driver.py": text(l20="xen")})
    refs = {n: f"refs/changes/{n:02d}/{n}/1" for n in range(1, 5)}
    shas = {n: upstream.change({"README": f"change {n}\n"}, ref=ref) for n, ref in refs.items()}
    found: dict[int, object] = {}

    def work(n: int) -> None:
        found[n] = prepare(shas[n], series, ref=refs[n], name=f"n{n}")

    threads = [threading.Thread(target=work, args=(n,)) for n in refs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    trees = [tree for _, tree in sorted(found.items()) if isinstance(tree, Prepared)]
    assert [content(tree, tree.tree_sha, "README") for tree in trees] == [f"change {n}\n" for n in refs]
    assert len({tree.tip_tree_sha for tree in trees}) == 1


def test_a_mirror_that_is_busy_for_too_long_is_tried_again_later(tmp_path: Path) -> None:
    hasty = Mirrors(tmp_path, patience=timedelta(0))
    assert not hasty.is_busy("p")
    with mirror.locked(tmp_path, "p", patience=LIMIT):
        assert hasty.is_busy("p")
        with pytest.raises(MirrorBusy):
            hasty.names("p")
    assert not hasty.is_busy("p")
    assert hasty.names("p") == set()


def test_commits_are_kept_by_name_until_they_are_forgotten(
    upstream: Upstream, prepare: Prepare, mirrors: Mirrors
) -> None:
    upstream.commit({"README": "newer\n"}, "The branch moves on")
    sha = upstream.change({"nova/other.py": text(l3="changed")})
    trees = [prepare(sha, name="one"), prepare(sha, name="two", at=AT + timedelta(seconds=1))]
    assert mirrors.names("openstack/nova") == {"one", "two"}
    mirrors.forget("openstack/nova", ["one"])
    assert mirrors.names("openstack/nova") == {"two"}
    repository = mirrors.repository("openstack/nova")
    git("gc", "-q", "--prune=now", at=repository, limit=LIMIT)
    exists = [
        git("cat-file", "-e", tree.merged_sha, at=repository, limit=LIMIT, ok=(0, 1, 128)).exit_code == 0
        for tree in trees
        if isinstance(tree, Prepared)
    ]
    assert exists == [False, True]
    mirrors.tidy()


def test_the_server_tells_the_tips_that_it_has(upstream: Upstream, mirrors: Mirrors, tmp_path: Path) -> None:
    url = str(upstream.folder)
    upstream.git("branch", "other/master")
    tip = upstream.commit({"README": "newer\n"}, "The branch moves on")
    assert mirrors.tips("p", url, ["master", "stable/none", "other"]) == {"master": tip}
    with pytest.raises(NotFound):
        mirrors.tips("p", str(tmp_path / "none"), ["master"])
    with pytest.raises(HostileName):
        mirrors.tips("p", url, ["--upload-pack=x"])
