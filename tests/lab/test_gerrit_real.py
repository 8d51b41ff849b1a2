"""The contract of Gerrit, kept by the lab's real one; and what only a real one shows."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.contracts.gerrit_contract import LONG_AGO, RestContract, Site, StreamContract
from xenci.config.models import Gerrit, GerritSsh
from xenci.errors import NotFound
from xenci.gerrit.failures import HostKeyChanged, KeyRefused, NotAllowed
from xenci.gerrit.git import git
from xenci.gerrit.rest import Rest
from xenci.gerrit.stream import SshStream
from xenci.gerrit.trees import CarryConflict, MergeConflict, Mirrors, Prepared
from xenci.lab import gerrit, push
from xenci.lab.gerrit import people, review
from xenci.lab.paths import LabPaths
from xenci.lab.push import clone

pytestmark = [pytest.mark.lab, pytest.mark.timeout(3600)]

NOVA, BRANCH = "openstack/nova", "stable/2025.1"
CARRY = Path(__file__).parents[2] / "configs" / "carry" / "nova-2025.1"
AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LIMIT = timedelta(minutes=5)


class LabPeople:
    def __init__(self, lab: LabPaths) -> None:
        self.lab = lab

    def push(self, number: int | None = None) -> tuple[int, str]:
        pushed = push.push(self.lab, "good") if number is None else push.new_patchset(self.lab, number)
        return pushed.number, pushed.sha

    def comment(self, number: int, text: str, patchset_level: bool) -> None:
        review.comment(self.lab, number, text, patchset_level=patchset_level)

    def abandon(self, number: int) -> None:
        review.abandon(self.lab, number)

    def votes(self, number: int) -> Mapping[str, int]:
        return review.votes(self.lab, number)


def settings(lab: LabPaths, url: str) -> Gerrit:
    key = people.private_key(lab, people.CI)
    ssh = GerritSsh(
        host="127.0.0.1", port=lab.gerrit_ssh, user=people.CI.name, key_file=key, host_key=gerrit.host_key(lab)
    )
    return Gerrit(url=url, ssh=ssh, user=people.CI.name)


def stream(lab: LabPaths, person: people.Person = people.CI, *, key: people.Person | None = None) -> SshStream:
    return SshStream(
        host="127.0.0.1",
        port=lab.gerrit_ssh,
        user=person.name,
        key_file=people.private_key(lab, key or person),
        host_key=gerrit.host_key(lab),
    )


@pytest.fixture(scope="module")
def site(lab: LabPaths) -> Site:
    password = people.password(lab, people.CI)
    real = settings(lab, gerrit.url(lab))
    return Site(
        # small pages, so that there are several
        rest=Rest(real, password, page=2),
        refused=Rest(real, "wrong"),
        silent=Rest(settings(lab, "http://127.0.0.1:1/"), password),
        stream=lambda: stream(lab),
        people=LabPeople(lab),
    )


class TestRealRest(RestContract):
    pass


class TestRealStream(StreamContract):
    pass


def test_another_host_key_than_the_pinned_one_is_never_accepted(lab: LabPaths) -> None:
    another = people.public_key(lab, people.DEV)
    changed = SshStream(
        host="127.0.0.1",
        port=lab.gerrit_ssh,
        user=people.CI.name,
        key_file=people.private_key(lab, people.CI),
        host_key=another,
    )
    with pytest.raises(HostKeyChanged):
        next(changed.lines())


def test_a_key_of_somebody_else_is_refused(lab: LabPaths) -> None:
    with pytest.raises(KeyRefused):
        next(stream(lab, people.CI, key=people.DEV).lines())


def test_who_may_not_hear_is_told_so_in_gerrits_words(lab: LabPaths) -> None:
    with pytest.raises(NotAllowed, match="not permitted"):
        list(stream(lab, people.DEV).lines())


def test_a_private_change_is_not_shown_to_us(lab: LabPaths, site: Site) -> None:
    number, _ = site.people.push()
    review.signed_in(lab, people.DEV).call("POST", f"changes/{number}/private", {})
    assert number not in [one.patchset.change for one in site.open()]
    with pytest.raises(NotFound):
        site.rest.change(number)


@pytest.fixture(scope="module")
def mirrors(tmp_path_factory: pytest.TempPathFactory) -> Mirrors:
    return Mirrors(tmp_path_factory.mktemp("mirrors"))


def prepare(
    lab: LabPaths, mirrors: Mirrors, site: Site, number: int, name: str
) -> Prepared | MergeConflict | CarryConflict:
    patchset = site.rest.change(number).patchset
    return mirrors.prepare(
        NOVA,
        f"{gerrit.url(lab)}{NOVA}",
        branch=BRANCH,
        ref=patchset.ref,
        sha=patchset.sha,
        carry_series=sorted(CARRY.glob("000[1-4]*.patch")),
        name=name,
        at=AT,
    )


def test_novas_driver_is_revived_on_a_change_and_on_the_tip(lab: LabPaths, mirrors: Mirrors, site: Site) -> None:
    good, bad = push.push(lab, "good"), push.push(lab, "bad")
    trees = [prepare(lab, mirrors, site, pushed.number, f"n{pushed.number}") for pushed in (good, bad)]
    one, other = trees
    assert isinstance(one, Prepared)
    assert isinstance(other, Prepared)
    assert len(one.carry) == 4
    assert one.tip_tree_sha == other.tip_tree_sha
    choices = git("show", f"{one.tree_sha}:nova/conf/libvirt.py", at=one.repository, limit=LIMIT).text
    assert "'xen'" in choices
    changed = git("diff", "--name-only", one.tip_tree_sha, one.tree_sha, at=one.repository, limit=LIMIT).text
    assert changed == "nova/virt/libvirt/driver.py"


def test_a_change_that_conflicts_with_the_carry_names_the_patch_and_the_file(
    lab: LabPaths, mirrors: Mirrors, site: Site
) -> None:
    found = prepare(lab, mirrors, site, push.push(lab, "carry-conflict").number, "carry")
    assert isinstance(found, CarryConflict)
    assert not found.on_tip
    assert found.files
    assert all(name.startswith("nova/") for name in found.files)


def test_a_change_that_conflicts_with_the_branch_names_the_file(lab: LabPaths, mirrors: Mirrors, site: Site) -> None:
    tip = clone.tip(lab)
    try:
        found = prepare(lab, mirrors, site, push.push(lab, "conflict").number, "merge")
    finally:
        push.reset_branch(lab, tip)
    assert isinstance(found, MergeConflict)
    assert found.tip_sha != tip
    assert found.files


def test_what_happens_while_nobody_hears_is_found_by_looking(site: Site) -> None:
    since = datetime.now(UTC) - LONG_AGO
    number, _ = site.people.push()
    assert number in [one.patchset.change for one in site.open(since=since)]
