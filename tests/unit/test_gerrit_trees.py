"""Trees made of real git repositories: merged, carried, in conflict, hostile, interrupted."""

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.upstream import LIMIT, OTHER, OTHER_CARRIED, REF, Upstream, text
from xenci.errors import NotFound
from xenci.gerrit import mirror
from xenci.gerrit.carry import NoSeries, patches
from xenci.gerrit.failures import FetchFailed, GitFailed, HostileName, MirrorBusy, OldGit
from xenci.gerrit.git import GitTimeout, check_git, git
from xenci.gerrit.trees import CarryConflict, MergeConflict, Mirrors, OtherTree, Prepared, Source

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
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


def test_a_conflict_with_the_branch_names_its_files(upstream: Upstream, prepare: Prepare) -> None:
    sha = upstream.change({"nova/driver.py": text(l3="mine"), "nova/other.py": None, "README": "mine too\n"})
    tip = upstream.commit({"nova/driver.py": text(l3="yours"), "nova/other.py": text(l3="yours")}, "Moves on")
    assert prepare(sha) == MergeConflict(tip_sha=tip, files=("nova/driver.py", "nova/other.py"))


def test_a_change_without_common_history_is_a_conflict(upstream: Upstream, prepare: Prepare) -> None:
    upstream.git("checkout", "-q", "--orphan", "other")
    sha = upstream.commit({"README": "other\n"}, "Another beginning")
    upstream.git("update-ref", REF, sha)
    assert prepare(sha) == MergeConflict(tip_sha=upstream.base, files=())


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


def test_the_server_tells_the_tips_that_it_has(upstream: Upstream, mirrors: Mirrors, tmp_path: Path) -> None:
    url = str(upstream.folder)
    upstream.git("branch", "other/master")
    tip = upstream.commit({"README": "newer\n"}, "The branch moves on")
    assert mirrors.tips("p", url, ["master", "stable/none", "other"]) == {"master": tip}
    with pytest.raises(NotFound):
        mirrors.tips("p", str(tmp_path / "none"), ["master"])
    with pytest.raises(HostileName):
        mirrors.tips("p", url, ["--upload-pack=x"])
