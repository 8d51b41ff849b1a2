"""The lab's Gerrit: who may do what, and whether each kind of push is what it says."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from xenci.lab import gerrit, push
from xenci.lab.gerrit import people, rest, review
from xenci.lab.gerrit.people import CI, DEV, PEER, REVIEWER
from xenci.lab.git import GitFailed, git, identity
from xenci.lab.paths import LabPaths
from xenci.lab.push import clone

pytestmark = [pytest.mark.lab, pytest.mark.timeout(3600)]

CARRY = Path(__file__).parents[2] / "configs" / "carry" / "nova-2025.1"
Tree = Callable[[str], Path]


@pytest.fixture
def tree(lab: LabPaths, tmp_path: Path) -> Tree:
    """Return a function that checks a commit out, with what a change to the libvirt driver and its series touches."""

    def checkout(commit: str) -> Path:
        folder = tmp_path / commit[:8]
        git("worktree", "add", "-q", "--detach", str(folder), commit, at=clone.ensure(lab))
        return folder

    return checkout


def carry_onto(folder: Path) -> None:
    series = [str(patch) for patch in sorted(CARRY.glob("000[1-4]*.patch"))]
    assert len(series) == 4
    git("am", "-q", "-3", *series, at=folder, env=identity("xenci", "xenci@localhost"))


def merge_with_tip(lab: LabPaths, folder: Path) -> None:
    git("merge", "-q", "--no-edit", clone.tip(lab), at=folder, env=identity("xenci", "xenci@localhost"))


def ssh(lab: LabPaths, person: people.Person, *command: str) -> subprocess.CompletedProcess[str]:
    key = people.private_key(lab, person)
    options = ["-F", "/dev/null", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes"]
    options += ["-o", f"UserKnownHostsFile={gerrit.known_hosts(lab)}", "-i", str(key), "-p", str(lab.gerrit_ssh)]
    # a stream that is permitted never ends: let the other side end it
    words = ["timeout", "8", "ssh", *options, f"{person.name}@127.0.0.1", *command]
    return subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def test_the_projects_and_their_branches_are_there(lab: LabPaths) -> None:
    admin = review.signed_in(lab, REVIEWER)
    both = {"refs/heads/master", "refs/heads/stable/2025.1"}
    # as upstream has it: what needs a change of Tempest is tested with its master, whatever its own branch
    wanted = {"openstack/nova": both, "opendev/ci-sandbox": both, "openstack/tempest": {"refs/heads/master"}}
    for project, branches in wanted.items():
        refs = {branch["ref"] for branch in admin.get(f"projects/{rest.name(project)}/branches/")}
        assert {ref for ref in refs if ref.startswith("refs/heads/")} == branches


def test_nova_is_upstreams_and_without_the_xen_driver(lab: LabPaths) -> None:
    driver = git("show", f"{clone.tip(lab)}:nova/conf/libvirt.py", at=clone.ensure(lab))
    assert "choices=('kvm', 'lxc', 'qemu', 'parallels')" in " ".join(driver.split())


def test_the_ci_may_stream_events_with_the_pinned_host_key_and_a_developer_may_not(lab: LabPaths) -> None:
    refused = ssh(lab, DEV, "gerrit", "stream-events")
    assert refused.returncode == 1
    assert "not permitted" in refused.stderr
    assert ssh(lab, CI, "gerrit", "stream-events").returncode == 124  # cut off by timeout: it was streaming


def test_the_ci_votes_verified_and_nothing_more(lab: LabPaths) -> None:
    change = push.push(lab, "docs").number
    review.vote(lab, change, {"Verified": 1}, person=CI)
    review.vote(lab, change, {"Verified": -1}, person=PEER)
    assert review.votes(lab, change) == {CI.name: 1, PEER.name: -1}
    for labels in ({"Verified": 2}, {"Verified": -2}, {"Code-Review": 1}, {"Code-Review": -1}):
        with pytest.raises(rest.Refused):
            review.vote(lab, change, labels, person=CI)
    with pytest.raises(rest.Refused):
        review.vote(lab, change, {"Verified": 1}, person=DEV)


def test_the_ci_can_neither_submit_nor_push(lab: LabPaths) -> None:
    pushed = push.push(lab, "docs")
    review.vote(lab, pushed.number, {"Code-Review": 2})
    with pytest.raises(rest.Refused):
        review.signed_in(lab, CI).call("POST", f"changes/{pushed.number}/submit", {})
    tip = clone.tip(lab)
    own = clone.commit(lab, tip, "tox.ini", lambda text, serial: f"{text}# {serial}\n", "A change of the CI's", "x", CI)
    for ref in ("refs/for/stable/2025.1", "refs/heads/stable/2025.1"):
        with pytest.raises(GitFailed):
            clone.send(lab, own, ref, CI)
    assert clone.tip(lab) == tip


def test_gerrits_own_first_password_no_longer_works(lab: LabPaths) -> None:
    with pytest.raises(rest.Refused) as refused:
        rest.Rest(gerrit.url(lab), "admin", "secret").get("accounts/self")
    assert refused.value.status == 401


def test_a_second_start_changes_nothing(lab: LabPaths) -> None:
    before = clone.tip(lab), people.password(lab, CI), gerrit.known_hosts(lab).read_text()
    gerrit.start(lab)
    assert (clone.tip(lab), people.password(lab, CI), gerrit.known_hosts(lab).read_text()) == before


@pytest.mark.parametrize("kind", ["good", "bad"])
def test_a_change_to_be_tested_merges_and_takes_the_series(lab: LabPaths, tree: Tree, kind: str) -> None:
    pushed = push.push(lab, kind)
    folder = tree(pushed.sha)
    merge_with_tip(lab, folder)
    carry_onto(folder)
    driver = (folder / "nova/virt/libvirt/driver.py").read_text()
    compile(driver, "driver.py", "exec")
    # only the bad one asks libvirt for QEMU's timers whatever the hypervisor is
    assert ('virt_type == "kvm":\n            self._set_kvm_timers(' in driver) is (kind == "good")


def test_the_documentation_change_touches_documentation_only(lab: LabPaths) -> None:
    pushed = push.push(lab, "docs")
    assert git("diff", "--name-only", f"{pushed.sha}^", pushed.sha, at=clone.ensure(lab)).split() == [
        "doc/source/user/flavors.rst"
    ]


def test_the_conflict_conflicts_with_the_tip_each_time(lab: LabPaths, tree: Tree) -> None:
    for _ in range(2):
        folder = tree(push.push(lab, "conflict").sha)
        with pytest.raises(GitFailed):
            merge_with_tip(lab, folder)
        assert git("diff", "--name-only", "--diff-filter=U", at=folder).split() == ["nova/virt/libvirt/utils.py"]


def test_the_carry_conflict_merges_with_the_tip_and_conflicts_with_the_series(lab: LabPaths, tree: Tree) -> None:
    # where the series is known to apply; git also needs the files in between to say which ones conflict
    carry_onto(tree(clone.tip(lab)))
    folder = tree(push.push(lab, "carry-conflict").sha)
    merge_with_tip(lab, folder)
    with pytest.raises(GitFailed):
        carry_onto(folder)
    assert git("diff", "--name-only", "--diff-filter=U", at=folder).split() == ["nova/virt/libvirt/driver.py"]


def test_a_new_patch_set_replaces_the_content_of_the_same_change(lab: LabPaths) -> None:
    first = push.push(lab, "bad")
    second = push.new_patchset(lab, first.number, "good")
    assert (second.number, second.patchset) == (first.number, 2)
    text = git("show", f"{second.sha}:nova/virt/libvirt/driver.py", at=clone.ensure(lab))
    assert 'virt_type == "kvm":\n            self._set_kvm_timers(' in text


def test_people_comment_in_both_of_gerrits_ways(lab: LabPaths) -> None:
    number = push.push(lab, "docs").number
    review.comment(lab, number, "recheck once")
    review.comment(lab, number, "recheck twice", patchset_level=True)
    said = review.messages(lab, number, author=REVIEWER)
    assert said[0] == "Patch Set 1:\n\nrecheck once"
    assert "Patch Set 1:" in said[1]
    review.abandon(lab, number)
    assert review.change(lab, number)["status"] == "ABANDONED"


def test_the_branch_moves_by_a_submitted_change_and_can_be_taken_back(lab: LabPaths) -> None:
    before = clone.tip(lab)
    pushed = push.push(lab, "docs")
    review.submit(lab, pushed.number)
    assert clone.tip(lab) == pushed.sha
    push.reset_branch(lab, before)
    assert clone.tip(lab) == before
