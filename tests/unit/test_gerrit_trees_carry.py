"""The carried series on real trees: applied, merged, in conflict, left out, cut, missing."""

from pathlib import Path

import pytest

from tests.unit.prepared_trees import Prepare, content, first, mirrors, prepare, upstream
from tests.upstream import LIMIT, OTHER, OTHER_CARRIED, Upstream, text
from xenci.gerrit.carry import NoSeries, patches
from xenci.gerrit.failures import GitFailed
from xenci.gerrit.git import git
from xenci.gerrit.trees import CarryConflict, Prepared

__all__ = ["first", "mirrors", "prepare", "upstream"]


def test_the_series_lies_on_the_merged_change_and_on_the_tip(
    upstream: Upstream, prepare: Prepare, tmp_path: Path
) -> None:
    sha = upstream.change({"nova/driver.py": text(l3="changed")})
    upstream.commit({"nova/driver.py": text(l30="moved on")}, "The branch moves on")
    series = upstream.patches(tmp_path / "carry", {"nova/driver.py": text(l20="xen")}, {"nova/xen.py": "xen\n"})
    tree = prepare(sha, series)
    assert isinstance(tree, Prepared)
    assert tree.carry == ("Carried 1", "Carried 2")
    assert content(tree, tree.tree_sha) == text(l3="changed", l20="xen", l30="moved on")
    assert content(tree, tree.tip_tree_sha) == text(l20="xen", l30="moved on")
    assert content(tree, tree.tree_sha, "nova/xen.py") == "xen\n"
    # what is not touched is all there, though it was not checked out
    assert content(tree, tree.tree_sha, "nova/other.py") == OTHER


def test_a_patch_whose_surroundings_changed_is_merged_as_git_am_does_it_in_a_full_checkout(
    upstream: Upstream, prepare: Prepare, tmp_path: Path
) -> None:
    series = upstream.patches(tmp_path / "carry", {"nova/driver.py": text(l20="xen")}, {"nova/other.py": OTHER_CARRIED})
    # line 22 is in the first patch's context: it applies only by a three-way merge; the second's file is renamed
    files = {"nova/driver.py": text(l22="near"), "nova/other.py": None, "nova/renamed.py": OTHER}
    sha = upstream.change(files)
    tree = prepare(sha, series)
    assert isinstance(tree, Prepared)
    assert content(tree, tree.tree_sha, "nova/renamed.py") == OTHER_CARRIED
    upstream.git("checkout", "-q", "--detach", sha)
    upstream.git("am", "-q", "-3", *[str(patch) for patch in patches([series])])
    assert (
        upstream.git("rev-parse", "HEAD^{tree}")
        == git("rev-parse", f"{tree.tree_sha}^{{tree}}", at=tree.repository, limit=LIMIT).text
    )


def test_a_change_that_conflicts_with_the_series_names_patch_and_files(
    upstream: Upstream, prepare: Prepare, tmp_path: Path
) -> None:
    series = upstream.patches(tmp_path / "carry", {"README": "xen\n"}, {"nova/driver.py": text(l20="xen")})
    sha = upstream.change({"nova/driver.py": text(l20="not xen")})
    conflict = CarryConflict(
        tip_sha=upstream.base, patch="0002-Carried-2.patch", files=("nova/driver.py",), on_tip=False
    )
    assert prepare(sha, series) == conflict


def test_a_file_that_the_change_took_away_is_a_conflict_with_the_series(
    upstream: Upstream, prepare: Prepare, tmp_path: Path
) -> None:
    series = upstream.patches(tmp_path / "carry", {"nova/driver.py": text(l20="xen")})
    sha = upstream.change({"nova/driver.py": None})
    conflict = prepare(sha, series)
    assert conflict == CarryConflict(
        tip_sha=upstream.base, patch="0001-Carried-1.patch", files=("nova/driver.py",), on_tip=False
    )


def test_a_series_that_fits_the_tip_no_longer_is_not_the_changes(
    upstream: Upstream, prepare: Prepare, tmp_path: Path
) -> None:
    series = upstream.patches(tmp_path / "carry", {"nova/driver.py": text(l20="xen")})
    tip = upstream.commit({"nova/driver.py": text(l20="upstream's own")}, "The branch moves on")
    sha = upstream.change({"README": "harmless\n"}, on=tip)
    conflict = prepare(sha, series)
    assert conflict == CarryConflict(tip_sha=tip, patch="0001-Carried-1.patch", files=("nova/driver.py",), on_tip=True)


def test_a_patch_made_elsewhere_that_does_not_fit_names_its_files(
    upstream: Upstream, prepare: Prepare, tmp_path: Path
) -> None:
    other = Upstream(tmp_path / "other")
    base = other.commit({"nova/driver.py": text(l19="unknown", l20="here"), "nova/new.py": "a\nb\n"}, "Not upstream's")
    changed = {"nova/driver.py": text(l19="unknown", l20="xen"), "nova/new.py": "a\nxen\n"}
    series = other.patches(tmp_path / "carry", changed, on=base)
    conflict = prepare(upstream.change({"README": "harmless\n"}), series)
    assert conflict == CarryConflict(
        tip_sha=upstream.base, patch="0001-Carried-1.patch", files=("nova/driver.py", "nova/new.py"), on_tip=True
    )


def test_a_patch_that_the_branch_has_already_is_left_out(upstream: Upstream, prepare: Prepare, tmp_path: Path) -> None:
    series = upstream.patches(tmp_path / "carry", {"nova/driver.py": text(l20="xen")}, {"nova/xen.py": "xen\n"})
    tip = upstream.commit({"nova/driver.py": text(l20="xen")}, "Taken upstream")
    tree = prepare(upstream.change({"README": "harmless\n"}, on=tip), series)
    assert isinstance(tree, Prepared)
    assert tree.carry == ("Carried 2",)


def test_a_file_that_is_no_patch_is_our_own_fault(upstream: Upstream, prepare: Prepare, tmp_path: Path) -> None:
    (tmp_path / "carry").mkdir()
    (tmp_path / "carry" / "0001-junk.patch").write_text("not a patch\n")
    with pytest.raises(GitFailed, match="carried series"):
        prepare(upstream.change({"README": "x\n"}), tmp_path / "carry")


def test_a_series_that_is_not_there_is_said(upstream: Upstream, prepare: Prepare, tmp_path: Path) -> None:
    sha = upstream.change({"README": "x\n"})
    (tmp_path / "empty").mkdir()
    for missing in (tmp_path / "none", tmp_path / "empty"):
        with pytest.raises(NoSeries, match=missing.name):
            prepare(sha, missing)


def test_a_series_can_be_cut_by_how_its_names_begin(tmp_path: Path) -> None:
    for name in ("0002-b.patch", "0001-a.patch", "0005-e.patch", "notes.txt"):
        (tmp_path / name).write_text("")
    assert [one.name for one in patches([tmp_path])] == ["0001-a.patch", "0002-b.patch", "0005-e.patch"]
    assert [one.name for one in patches([tmp_path], ["0001", "0002"])] == ["0001-a.patch", "0002-b.patch"]
    with pytest.raises(NoSeries, match="0009"):
        patches([tmp_path], ["0009"])
