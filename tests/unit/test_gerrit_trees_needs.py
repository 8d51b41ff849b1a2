"""Trees of changes that need others: parents, what is merged from beside, and other projects."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.unit.prepared_trees import AT, Prepare, content, first, mirrors, parents, prepare, upstream
from tests.upstream import REF, Upstream, text
from xenci.gerrit.failures import FetchFailed
from xenci.gerrit.trees import CarryConflict, MergeConflict, Mirrors, OtherTree, Prepared, Source

__all__ = ["first", "mirrors", "prepare", "upstream"]
NEEDED = Source(ref="refs/changes/02/2/1", sha="")
OTHER_NEEDED = Source(ref="refs/changes/03/3/1", sha="")


def needed(upstream: Upstream, where: Source, files: Mapping[str, str | None], *, on: str | None = None) -> Source:
    return Source(ref=where.ref, sha=upstream.change(files, on=on, ref=where.ref))


def test_a_parent_is_in_the_tree_and_in_the_tips_tree_too(upstream: Upstream, prepare: Prepare) -> None:
    parent = needed(upstream, NEEDED, {"nova/driver.py": text(l3="parent")})
    sha = upstream.change({"nova/driver.py": text(l3="parent", l20="child")}, on=parent.sha)
    tree = prepare(sha, needs=[parent])
    assert isinstance(tree, Prepared)
    assert (tree.merged_sha, tree.tip_tree_sha) == (sha, parent.sha), "no merge is made where none is needed"
    tip = upstream.commit({"nova/driver.py": text(l38="moved on")}, "The branch moves on")
    tree = prepare(sha, needs=[parent])
    assert isinstance(tree, Prepared)
    assert tree.tip_sha == tip
    assert content(tree, tree.tree_sha) == text(l3="parent", l20="child", l38="moved on")
    assert content(tree, tree.tip_tree_sha) == text(l3="parent", l38="moved on")


def test_a_parent_that_nobody_names_is_in_the_tips_tree_too(upstream: Upstream, prepare: Prepare) -> None:
    below = upstream.change({"nova/driver.py": text(l3="below")}, ref="refs/changes/03/3/1")
    hidden = upstream.change({"nova/driver.py": text(l3="below", l12="hidden")}, on=below, ref="refs/changes/02/2/1")
    sha = upstream.change({"nova/driver.py": text(l3="below", l12="hidden", l20="child")}, on=hidden)
    tree = prepare(sha)
    assert isinstance(tree, Prepared)
    assert (tree.tip_sha, tree.merged_sha, tree.tip_tree_sha) == (upstream.base, sha, hidden)
    upstream.commit({"nova/driver.py": text(l38="moved on")}, "The branch moves on")
    beside = needed(upstream, OTHER_NEEDED, {"README": "beside\n"})
    tree = prepare(sha, needs=[beside])
    assert isinstance(tree, Prepared)
    assert content(tree, tree.tree_sha) == text(l3="below", l12="hidden", l20="child", l38="moved on")
    assert content(tree, tree.tip_tree_sha) == text(l3="below", l12="hidden", l38="moved on")
    assert content(tree, tree.tip_tree_sha, "README") == "beside\n"
    tip = upstream.commit({"nova/driver.py": text(l12="tip")}, "The branch moves on")
    assert prepare(sha) == MergeConflict(tip_sha=tip, files=("nova/driver.py",))


def test_what_a_merge_brings_in_is_its_own(upstream: Upstream, prepare: Prepare) -> None:
    feature = upstream.change({"nova/driver.py": text(l3="feature")}, ref="refs/heads/feature")
    tip = upstream.commit({"README": "newer\n"}, "The branch moves on")
    upstream.git("checkout", "-q", "--detach", tip)
    upstream.git("merge", "-q", "--no-ff", "-m", "Merge the feature", feature)
    sha = upstream.git("rev-parse", "HEAD")
    upstream.git("update-ref", REF, sha)
    upstream.git("checkout", "-q", "master")
    tree = prepare(sha)
    assert isinstance(tree, Prepared)
    assert (tree.tip_tree_sha, content(tree, tree.tree_sha)) == (tip, text(l3="feature"))


def test_what_is_needed_from_beside_is_merged_in_order_before_the_change(
    upstream: Upstream, prepare: Prepare, tmp_path: Path
) -> None:
    series = upstream.patches(tmp_path / "carry", {"nova/xen.py": "xen\n"})
    one = needed(upstream, NEEDED, {"nova/driver.py": text(l3="one")})
    two = needed(upstream, OTHER_NEEDED, {"nova/driver.py": text(l20="two")})
    sha = upstream.change({"nova/driver.py": text(l38="change")})
    tree = prepare(sha, series, needs=[one, two])
    assert isinstance(tree, Prepared)
    assert content(tree, tree.tree_sha) == text(l3="one", l20="two", l38="change")
    assert content(tree, tree.tip_tree_sha) == text(l3="one", l20="two")
    assert content(tree, tree.tip_tree_sha, "nova/xen.py") == "xen\n"
    base, change = parents(tree, tree.merged_sha)
    assert (change, parents(tree, base)) == (sha, [one.sha, two.sha])
    assert prepare(sha, series, needs=[one, two]) == tree


def test_a_needed_change_that_does_not_merge_is_told_from_the_change_itself(
    upstream: Upstream, prepare: Prepare
) -> None:
    one = needed(upstream, NEEDED, {"nova/driver.py": text(l3="one")})
    sha = upstream.change({"nova/driver.py": text(l3="change")})
    conflict = MergeConflict(tip_sha=upstream.base, files=("nova/driver.py",))
    assert prepare(sha, needs=[one]) == conflict
    tip = upstream.commit({"nova/driver.py": text(l3="tip")}, "The branch moves on")
    assert prepare(sha, needs=[one]) == MergeConflict(tip_sha=tip, files=("nova/driver.py",), ref=one.ref)


def test_a_series_that_conflicts_with_what_is_needed_still_fits_the_tip(
    upstream: Upstream, prepare: Prepare, tmp_path: Path
) -> None:
    series = upstream.patches(tmp_path / "carry", {"nova/driver.py": text(l20="xen")})
    one = needed(upstream, NEEDED, {"nova/driver.py": text(l20="not xen")})
    conflict = prepare(upstream.change({"README": "x\n"}), series, needs=[one])
    assert isinstance(conflict, CarryConflict)
    assert not conflict.on_tip
    upstream.commit({"nova/driver.py": text(l20="nor here")}, "The branch moves on")
    two = needed(upstream, OTHER_NEEDED, {"README": "two\n"})
    conflict = prepare(upstream.change({"nova/other.py": "x\n"}), series, needs=[two])
    assert isinstance(conflict, CarryConflict)
    assert conflict.on_tip


def test_a_needed_reference_that_is_another_commit_is_tried_again(upstream: Upstream, prepare: Prepare) -> None:
    one = needed(upstream, NEEDED, {"README": "one\n"})
    sha = upstream.change({"nova/other.py": "x\n"})
    with pytest.raises(FetchFailed, match=f"{one.ref} .* expected {upstream.base}"):
        prepare(sha, needs=[Source(ref=one.ref, sha=upstream.base)])


def test_another_projects_tree_is_its_tip_with_what_is_needed_and_the_carry(
    upstream: Upstream, mirrors: Mirrors, tmp_path: Path
) -> None:
    series = upstream.patches(tmp_path / "carry", {"nova/xen.py": "xen\n"})
    one = needed(upstream, NEEDED, {"nova/driver.py": text(l3="one")})
    two = needed(upstream, OTHER_NEEDED, {"nova/driver.py": text(l20="two")})
    tip = upstream.commit({"README": "newer\n"}, "The branch moves on")
    made = [
        mirrors.prepare_other(
            "openstack/tempest",
            str(upstream.folder),
            branch="master",
            needs=[one, two],
            carry_series=[series],
            name="buildset-1-job",
            at=AT,
        )
        for _ in range(2)
    ]
    tree = made[0]
    assert tree == made[1]
    assert isinstance(tree, OtherTree)
    assert tree.tip_sha == tip
    repository = mirrors.repository("openstack/tempest")
    assert upstream.names(tree.tree_sha, "nova/driver.py", at=repository) == text(l3="one", l20="two")
    assert upstream.names(tree.tree_sha, "nova/xen.py", at=repository) == "xen\n"
    assert mirrors.names("openstack/tempest") == {"buildset-1-job"}
