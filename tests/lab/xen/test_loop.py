"""The main job on the real lab: from a push to a vote, whatever happens on the way, and the changes nothing is said of.

Two stories. In the first the changes of the demo run the whole list of the job: they are pushed while xenci is down,
and every process of xenci is killed while Tempest runs. In the second each part runs a job of two tests.
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from tests.lab.pooling import connection
from tests.lab.running import FLAVOR, SHORT, Running
from xenci.config.load import load
from xenci.host.connection import connect
from xenci.lab import clouds, demo, push, settings
from xenci.lab.gerrit import review
from xenci.lab.gerrit.seed import TEMPEST, TEMPEST_BRANCH
from xenci.lab.paths import LabPaths
from xenci.store.tables import BuildRow, TestRow

#: longest wait for what takes minutes, on a machine that is slow and busy with other things, seconds
PATIENCE = 4000
#: longest wait for what takes a healthy machine seconds
SOON = 900
#: a test that the needed change of Tempest has skip, and why
_EDITED, _WORDS = "TestVersions.test_list_api_versions", "the change that Nova's needs says so"

pytestmark = pytest.mark.timeout(2 * PATIENCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What became of the changes that were pushed while xenci was down, by kind."""

    changes: dict[str, int]
    votes: dict[str, int]
    #: the good change's builds when xenci was killed
    before: Sequence[BuildRow]


@pytest.fixture(scope="module")
def xenci(lab: LabPaths) -> Iterator[Running]:
    """xenci, fresh and not yet started, on the test lab, where nobody else's change is open."""
    running = Running(paths=lab)
    shutil.rmtree(settings.own_state(lab), ignore_errors=True)
    for change in review.open_changes(lab):
        review.abandon(lab, change)
    try:
        yield running
    finally:
        running.close()


@pytest.fixture(scope="module")
def story(lab: LabPaths, xenci: Running) -> Story:
    needed = _change_tempest(lab)
    pushed = {"good": push.push(lab, "good", needs=[needed])}
    pushed |= {kind: push.push(lab, kind) for kind in ("bad", "docs", "conflict", "carry-conflict")}
    xenci.start()
    xenci.wait_for("a test to end", lambda: _ended_tests(xenci, pushed["good"].number), seconds=PATIENCE)
    before = xenci.builds(pushed["good"].number)

    xenci.kill()
    xenci.start()

    votes = demo.follow(lab, xenci.database, {kind: pushed[kind] for kind in demo.CHANGES}, patience=PATIENCE)
    return Story(changes={kind: change.number for kind, change in pushed.items()}, votes=votes, before=before)


def test_the_good_change_gets_plus_one_and_the_bad_one_minus_one(story: Story) -> None:
    assert story.votes == demo.CHANGES


def test_the_build_of_the_good_change_has_proof_evidence_and_every_log(xenci: Running, story: Story) -> None:
    change = story.changes["good"]
    (buildset,) = xenci.buildsets(change)
    # on a busy machine an attempt may end by our own fault: the last one counts, as it does for the vote
    build = buildset.builds[-1]
    assert (build.result, build.fault) == ("SUCCESS", "none")
    # the change of Tempest that it needs has one skip
    assert build.counts["first"]["passed"] >= 33
    assert build.counts["first"]["never_started"] == 0
    assert build.proof is not None
    assert build.proof["first"]["commit"] == build.tree_sha
    assert build.proof["first"]["nova_file"].startswith("/opt/stack/nova/")
    assert len(build.carry) == 4
    guests = [e for e in build.evidence if e.kind == "guest"]
    assert guests
    assert guests[0].content["uuid"] in _text(xenci, build.uuid, "logs/nova.log")
    assert any(e.kind == "host" and e.content["xen_version"].startswith("4.17") for e in build.evidence)
    assert len(xenci.said(change)) == 1
    assert xenci.said(change)[0].split("\n\n", 1)[1].startswith("Build succeeded (check pipeline).")
    names = {artifact.name for artifact in build.artifacts}
    for name in ("tempest/first.subunit", "console/nova-first.log", "xen/xl-info.txt", "xen/xl-dmesg.txt",
                 "xen/xl-list.txt", "conf/nova.conf", "conf/tempest.conf", "logs/libvirtd.log"):  # fmt: skip
        assert name in names
    assert any(name.startswith("guests/") for name in names)
    assert any("libxl" in name for name in names)


def test_tempest_runs_from_the_change_that_the_good_one_needs_and_only_there(xenci: Running, story: Story) -> None:
    def outcome(kind: str) -> tuple[str, str]:
        build = xenci.builds(story.changes[kind])[-1]
        (test,) = (test for test in build.tests if _EDITED in test.test_id and test.run == "first")
        return test.status, test.detail

    assert outcome("good")[0] == "skip"
    assert _WORDS in outcome("good")[1]
    assert outcome("bad")[0] == "success"
    (tree,) = xenci.builds(story.changes["good"])[-1].other_trees
    assert (tree["project"], tree["branch"]) == (TEMPEST, TEMPEST_BRANCH)


def test_the_bad_change_is_told_with_the_test_and_libxls_own_words(xenci: Running, story: Story) -> None:
    change = story.changes["bad"]
    (buildset,) = xenci.buildsets(change)
    build = buildset.builds[-1]
    assert (build.result, build.fault) == ("FAILURE", "change")
    failed = {test.test_id for test in build.tests if test.run == "first" and test.status == "fail"}
    assert any("ServersTestJSON" in test for test in failed)
    assert {test.run for test in build.tests} == {"first", "again", "tip"}
    page = xenci.page(f"/build/{build.uuid}")
    assert "ServersTestJSON" in page
    assert "unsupported timer type (name)" in page
    assert "ServersTestJSON" in xenci.said(change)[0]
    assert len(xenci.said(change)) == 1


def test_a_run_survives_kill_9_in_the_middle_of_tempest(xenci: Running, story: Story) -> None:
    """It goes on from where it is: the same node, the same phases, each test once, one vote.

    What becomes of the attempt is not the point: where the node is too slow for Xen's own patience, another follows.
    """
    (before,) = story.before
    (after,) = (build for build in xenci.builds(story.changes["good"]) if build.attempt == 1)
    assert (after.id, after.node_id) == (before.id, before.node_id)
    assert _phases(after)[: len(before.phases)] == _phases(before)
    assert [phase.run for phase in after.phases if phase.phase == "tempest"] == ["first"]
    assert {test.test_id for test in before.tests} <= {test.test_id for test in after.tests}
    assert after.counts["first"]["never_started"] == 0
    assert after.counts["first"]["unfinished"] == 0


def test_a_change_of_documentation_is_not_run_and_its_page_says_why(xenci: Running, story: Story) -> None:
    change = story.changes["docs"]
    assert xenci.buildsets(change) == []
    assert "documentation" in (xenci.not_run(change) or "")
    assert "Only documentation files" in xenci.page(f"/change/{change}")
    assert xenci.said(change) == []


def test_of_a_change_that_conflicts_with_the_tip_nothing_is_said(xenci: Running, story: Story) -> None:
    change = story.changes["conflict"]
    (buildset,) = xenci.buildsets(change)
    assert buildset.result == "MERGE_CONFLICT"
    assert xenci.said(change) == []


def test_of_a_change_that_conflicts_with_the_carry_only_the_operators_hear(xenci: Running, story: Story) -> None:
    change = story.changes["carry-conflict"]
    (buildset,) = xenci.buildsets(change)
    assert (buildset.result, buildset.fault) == ("CARRY_CONFLICT", "infra")
    assert xenci.said(change) == []
    assert "nova/virt/libvirt/driver.py" in xenci.page("/health")


def test_every_page_says_that_it_is_a_lab(xenci: Running, story: Story) -> None:
    for page in ("/", "/builds", "/nodes", "/health", "/trends", f"/change/{story.changes['good']}"):
        assert "this is a lab" in xenci.page(page).lower()


@pytest.fixture(scope="module")
def short(xenci: Running, story: Story) -> Running:
    """xenci after the first story, with a job of two tests."""
    xenci.stop()
    xenci.start(tests=SHORT)
    return xenci


def test_a_node_that_runs_another_tree_never_votes(lab: LabPaths, short: Running, story: Story) -> None:
    """A `nova/` left in site-packages wins over the tree: everything would pass, and nothing would be tested."""
    change = story.changes["good"]
    nodes = short.wait_for("ready nodes", lambda: short.nodes("ready"), seconds=PATIENCE)
    for node in nodes:
        _shadow_nova(lab, node.address or "", node.host_key or "")

    review.comment(lab, change, "recheck")

    second = short.wait_for("a second run", lambda: short.buildsets(change)[1:], seconds=SOON)[0]
    assert (second.trigger, second.asked_by) == ("recheck", "reviewer")
    build = short.wait_for("the first attempt to end", lambda: _ended_attempts(short, change), seconds=PATIENCE)[0]
    assert build.node_id in {node.id for node in nodes}
    assert build.fault == "infra"
    assert "another tree" in " ".join(build.reasons)
    assert not [phase for phase in build.phases if phase.phase == "tempest"]


def test_a_server_deleted_behind_our_back_costs_an_attempt_and_no_vote(
    lab: LabPaths, short: Running, story: Story
) -> None:
    """The node of the recheck's next attempt vanishes while it is in use."""
    change = story.changes["good"]
    build = short.wait_for(
        "the next attempt to get a node", lambda: _with_node(short, change, attempt=2), seconds=PATIENCE
    )
    assert build.node is not None
    connection(lab.clouds_yaml, f"{build.node.provider}-demo").compute.delete_server(build.node.server_id)
    lost = short.wait_for("it to end", lambda: _ended_attempts(short, change)[1:], seconds=PATIENCE)[0]
    assert (lost.id, lost.fault) == (build.id, "infra")
    assert len(short.buildsets(change)[1].builds) == 3, "it is tried again"

    review.abandon(lab, change)
    short.wait_for("it to be withdrawn", lambda: short.buildsets(change)[1].state == "done", seconds=SOON)
    short.wait_for("its node to be given back", lambda: _all_done(short, change), seconds=SOON)
    assert short.buildsets(change)[1].result == "ABORTED"
    assert short.vote(change) == 1, "as the first run has it"
    assert len(short.said(change)) == 1


def test_a_failure_that_the_tip_has_too_is_no_minus_one(lab: LabPaths, short: Running) -> None:
    tip = push.advance_branch(lab, "wrong-flavor")
    try:
        short.stop()
        short.start(tests=FLAVOR, boot_tests=[], attempts=1)
        change = push.push(lab, "good").number
        (buildset,) = short.await_reports(change)
    finally:
        push.reset_branch(lab, f"{tip}^")
    assert (buildset.result, buildset.fault, buildset.vote) == ("FAILURE", "unknown", None)
    assert "on the tip of the branch too" in " ".join(buildset.reasons)
    assert short.vote(change) == 0
    (said,) = short.said(change)
    assert "No vote: this was not shown to be the change's fault." in said


def test_no_server_is_left_and_none_is_forgotten(lab: LabPaths, short: Running) -> None:
    """Each machine of the clouds is a node that lives, and each node that lives has its machine."""

    def agree() -> bool:
        servers = {machine.server for machine in clouds.running_machines(lab)}
        nodes = {node.server_id for node in short.nodes("building", "testing", "ready", "in-use", "used", "deleting")}
        return servers == nodes and not short.nodes("used", "deleting", "in-use")

    short.wait_for("clouds and rows to agree", agree, seconds=SOON)


def _change_tempest(lab: LabPaths) -> str:
    """Propose a change of Tempest that has a test skip; return its address."""
    path = "tempest/api/compute/test_versions.py"
    text = review.file_of_branch(lab, TEMPEST, TEMPEST_BRANCH, path)
    begin = "        result = self.versions_client.list_versions()\n"
    assert begin in text
    edited = text.replace(begin, f"        raise self.skipException({_WORDS!r})\n", 1)
    _, address = review.propose(lab, TEMPEST, TEMPEST_BRANCH, "Skip a test", {path: edited})
    return address


def _text(xenci: Running, uuid: str, name: str) -> str:
    return xenci.page(f"/artifact/{uuid}/{name}")


def _phases(build: BuildRow) -> list[tuple[str, str, datetime]]:
    return [(phase.phase, phase.run, phase.started_at) for phase in build.phases]


def _with_node(xenci: Running, change: int, *, attempt: int) -> BuildRow | None:
    """Return the recheck's build of this attempt once it has a node."""
    builds = xenci.buildsets(change)[1].builds
    return next((build for build in builds if build.attempt == attempt and build.node_id), None)


def _ended_tests(xenci: Running, change: int) -> list[TestRow]:
    return [test for build in xenci.builds(change) for test in build.tests if test.status == "success"]


def _ended_attempts(xenci: Running, change: int) -> list[BuildRow]:
    """Return the recheck's attempts that have ended, the first one first."""
    return [build for build in xenci.buildsets(change)[1].builds if build.state == "done"]


def _all_done(xenci: Running, change: int) -> bool:
    return all(build.state == "done" for build in xenci.builds(change))


def _shadow_nova(lab: LabPaths, address: str, host_key: str) -> None:
    """Put another Nova where Python finds it before the tree, on a ready node."""
    config = load(lab.config)
    host = connect(address, user="root", key=config.node_key, host_key=host_key, port=config.labels[0].ssh_port)
    try:
        output = host.run("lab-wrong-tree on", timeout=timedelta(minutes=5))
        assert output.exit_code == 0, output.words
    finally:
        host.close()
