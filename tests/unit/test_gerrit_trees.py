"""Trees made of real git repositories: merged with the tip, in conflict with it, the same whoever asks, hostile."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.prepared_trees import AT, Prepare, content, first, mirrors, parents, prepare, upstream
from tests.upstream import REF, Upstream, text
from xenci.gerrit.failures import HostileName
from xenci.gerrit.trees import CarryConflict, MergeConflict, Mirrors, Prepared

__all__ = ["first", "mirrors", "prepare", "upstream"]


def test_a_change_on_the_tip_is_tested_as_it_is(upstream: Upstream, prepare: Prepare) -> None:
    sha = upstream.change({"nova/driver.py": text(l3="changed")})
    tree = prepare(sha)
    assert isinstance(tree, Prepared)
    assert (tree.tip_sha, tree.merged_sha, tree.tree_sha) == (upstream.base, sha, sha)
    assert (tree.tip_tree_sha, tree.carry) == (upstream.base, ())


def test_a_change_behind_the_tip_is_merged_with_it(upstream: Upstream, prepare: Prepare) -> None:
    sha = upstream.change({"nova/driver.py": text(l3="changed")})
    tip = upstream.commit({"nova/driver.py": text(l30="moved on")}, "The branch moves on")
    tree = prepare(sha)
    assert isinstance(tree, Prepared)
    assert parents(tree, tree.merged_sha) == [tip, sha]
    assert content(tree, tree.tree_sha) == text(l3="changed", l30="moved on")
    assert content(tree, tree.tip_tree_sha) == text(l30="moved on")


def test_a_change_that_the_branch_has_already_is_the_tip(upstream: Upstream, prepare: Prepare) -> None:
    sha = upstream.change({"README": "read all of me\n"})
    upstream.git("merge", "-q", "--ff-only", sha)
    tip = upstream.commit({"nova/other.py": text(l1="one")}, "More")
    tree = prepare(sha)
    assert isinstance(tree, Prepared)
    assert tree.merged_sha == tip


def test_the_same_tip_and_series_are_the_same_commit_whoever_asks_and_when(
    upstream: Upstream, prepare: Prepare, tmp_path: Path
) -> None:
    first = upstream.change({"nova/other.py": text(l3="changed")})
    second = upstream.change({"nova/other.py": text(l5="changed")}, ref="refs/changes/02/2/1")
    upstream.commit({"README": "newer\n"}, "The branch moves on")
    series = upstream.patches(tmp_path / "carry", {"nova/driver.py": text(l9="xen")}, {"nova/xen.py": "xen\n"})
    one = prepare(first, series)
    two = prepare(second, series, ref="refs/changes/02/2/1", name="other", at=AT + timedelta(days=3))
    again = Mirrors(tmp_path / "elsewhere").prepare(
        "openstack/nova",
        str(upstream.folder),
        branch="master",
        ref=REF,
        sha=first,
        carry_series=[series],
        name="n",
        at=AT,
    )
    assert isinstance(one, Prepared)
    assert isinstance(two, Prepared)
    assert isinstance(again, Prepared)
    assert one.tip_tree_sha == two.tip_tree_sha == again.tip_tree_sha
    assert (one.merged_sha, one.tree_sha) == (again.merged_sha, again.tree_sha)
    assert one.tree_sha != two.tree_sha


def test_a_conflict_with_the_branch_names_its_files(upstream: Upstream, prepare: Prepare) -> None:
    sha = upstream.change({"nova/driver.py": text(l3="mine"), "nova/other.py": None, "README": "mine too\n"})
    tip = upstream.commit({"nova/driver.py": text(l3="yours"), "nova/other.py": text(l3="yours")}, "Moves on")
    assert prepare(sha) == MergeConflict(tip_sha=tip, files=("nova/driver.py", "nova/other.py"))


def test_a_change_without_common_history_is_a_conflict(upstream: Upstream, prepare: Prepare) -> None:
    upstream.git("checkout", "-q", "--orphan", "other")
    sha = upstream.commit({"README": "other\n"}, "Another beginning")
    upstream.git("update-ref", REF, sha)
    assert prepare(sha) == MergeConflict(tip_sha=upstream.base, files=())


@pytest.mark.parametrize(
    "changed",
    [
        {"project": "../../etc"},
        {"project": "-x"},
        {"project": "a/../b"},
        {"project": "a.git/hooks"},
        {"project": "a//b"},
        {"project": ""},
        {"branch": "--upload-pack=touch /tmp/x"},
        {"branch": "a..b"},
        {"branch": "a b"},
        {"branch": "x.lock"},
        {"branch": "a:b"},
        {"branch": "m" * 300},
        {"ref": "refs/heads/master"},
        {"ref": "refs/changes/01/1/1:refs/heads/master"},
        {"ref": "refs/changes/01/1/1\n"},
        {"sha": "master"},
        {"sha": "--all"},
        {"name": "a/b"},
        {"name": ".."},
        {"name": "x\ndelete refs/heads/master"},
        {"url": "ext::sh -c touch% /tmp/x"},
        {"url": "--upload-pack=x"},
        {"url": "ssh://-oProxyCommand=x/y"},
    ],
)
def test_hostile_names_never_reach_git(tmp_path: Path, changed: dict[str, str]) -> None:
    good = {"project": "openstack/nova", "url": "/x", "branch": "master", "ref": REF, "sha": "a" * 40, "name": "n"}
    with pytest.raises(HostileName):
        Mirrors(tmp_path / "mirrors").prepare(**(good | changed), carry_series=[], at=AT)
    assert not (tmp_path / "mirrors").exists()


def test_hooks_links_and_submodules_of_a_change_do_nothing(
    upstream: Upstream, prepare: Prepare, mirrors: Mirrors, tmp_path: Path
) -> None:
    series = upstream.patches(tmp_path / "carry", {"nova/driver.py": text(l20="xen")})
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "driver.py").write_text(text())
    upstream.git("checkout", "-q", "--detach", upstream.base)
    upstream.commit({"nova/driver.py": None, "nova/other.py": None}, "Make way")
    (upstream.folder / "nova").rmdir()
    (upstream.folder / "nova").symlink_to(outside)
    gitmodules = '[submodule "x"]\n\tpath = x\n\turl = ext::sh -c touch% ' + str(tmp_path / "touched") + "\n"
    sha = upstream.commit({".gitmodules": gitmodules}, "A link and a submodule")
    upstream.git("update-ref", REF, sha)
    upstream.git("checkout", "-q", "master")
    prepare(upstream.base, ref=REF, sha=sha)
    hooks = mirrors.repository("openstack/nova") / "hooks"
    hooks.mkdir(exist_ok=True)
    for hook in ("applypatch-msg", "pre-applypatch", "post-checkout", "post-applypatch", "reference-transaction"):
        (hooks / hook).write_text(f"#!/bin/sh\ntouch {tmp_path}/touched\n")
        (hooks / hook).chmod(0o755)
    conflict = prepare(sha, series)
    assert isinstance(conflict, CarryConflict)
    assert not conflict.on_tip
    assert (outside / "driver.py").read_text() == text()
    assert not (tmp_path / "touched").exists()
