"""More of the main job on the real lab; NOT collected by pytest yet, as it was not seen to pass as a whole.

To try it: `pytest tests/lab/loop_to_prove.py`. It moves into test_loop.py test by test, as each is seen to pass.
"""

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from tests.lab.running import BOOT, SHORT, Running, wait_for
from xenci.config.load import load
from xenci.host.connection import connect
from xenci.lab import clouds, push, settings
from xenci.lab.gerrit import review
from xenci.lab.paths import LabPaths
from xenci.store.tables import BuildRow, TestRow

pytestmark = [pytest.mark.lab, pytest.mark.xen, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def xenci(lab: LabPaths) -> Iterator[Running]:
    """xenci, fresh, on the test lab."""
    running = Running(paths=lab)
    shutil.rmtree(settings.own_state(lab), ignore_errors=True)
    running.start(tests=SHORT)
    try:
        yield running
    finally:
        running.close()


def test_a_change_that_breaks_xen_gets_minus_one_with_libxls_own_words(lab: LabPaths, xenci: Running) -> None:
    change = push.push(lab, "bad").number
    xenci.await_reports(change)
    assert xenci.vote(change) == -1
    _bad(xenci, change)


def _bad(xenci: Running, change: int) -> None:
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


@pytest.fixture(scope="module")
def survivors(lab: LabPaths, xenci: Running) -> dict[str, int]:
    """Two changes that were pushed while xenci was down, and xenci killed by -9 while Tempest ran for the good one.

    The other does not even compile, so that Nova does not start from it.
    """
    xenci.stop()
    changes = {kind: push.push(lab, kind).number for kind in ("good", "broken")}
    xenci.start(tests=SHORT)
    wait_for("a test to end", lambda: _ended_tests(xenci, changes["good"]), seconds=1500)
    (before,) = xenci.builds(changes["good"])

    xenci.kill()
    xenci.start(tests=SHORT)

    xenci.await_reports(changes["good"])
    (after,) = xenci.builds(changes["good"])
    assert after.id == before.id
    assert _phases(after) == [*_phases(before), *_phases(after)[len(_phases(before)) :]]
    return changes


def test_a_run_survives_kill_9_in_the_middle_of_tempest(xenci: Running, survivors: dict[str, int]) -> None:
    """And it is one for a change that was pushed while xenci was down."""
    change = survivors["good"]
    (buildset,) = xenci.buildsets(change)
    (build,) = buildset.builds
    assert (build.result, build.attempt) == ("SUCCESS", 1)
    assert [phase.run for phase in build.phases if phase.phase == "tempest"] == ["first"]
    assert build.counts["first"]["never_started"] == 0
    assert build.counts["first"]["unfinished"] == 0
    assert xenci.vote(change) == 1
    assert len(xenci.said(change)) == 1


def test_nova_that_does_not_start_is_the_changes_fault_as_the_tip_starts(
    xenci: Running, survivors: dict[str, int]
) -> None:
    change = survivors["broken"]
    (buildset,) = xenci.await_reports(change)
    build = buildset.builds[-1]
    assert (build.result, build.fault) == ("FAILURE", "change")
    assert "Nova does not start from the change" in " ".join(build.reasons)
    assert {evidence.content.get("run") for evidence in build.evidence if evidence.kind == "guest"} == {"tip"}
    assert xenci.vote(change) == -1
    assert len(xenci.said(change)) == 1


def test_recheck_runs_again(lab: LabPaths, xenci: Running, survivors: dict[str, int]) -> None:
    change = survivors["broken"]
    xenci.await_reports(change)

    review.comment(lab, change, "recheck")

    second = wait_for("a second run", lambda: xenci.buildsets(change)[1:], seconds=120)[0]
    assert (second.trigger, second.asked_by) == ("recheck", "reviewer")
    wait_for("its build to get a node", lambda: xenci.buildsets(change)[1].builds[0].node_id, seconds=900)
    review.abandon(lab, change)
    wait_for("it to be withdrawn", lambda: xenci.buildsets(change)[1].state == "done", seconds=120)
    wait_for("its node to be given back", lambda: _all_done(xenci, change), seconds=300)
    assert xenci.buildsets(change)[1].result == "ABORTED"
    assert len(xenci.said(change)) == 1


def test_a_node_that_runs_another_tree_never_votes(lab: LabPaths, xenci: Running) -> None:
    """A `nova/` left in site-packages wins over the tree: everything would pass, and nothing would be tested."""
    nodes = wait_for("ready nodes", lambda: xenci.nodes("ready"), seconds=600)
    for node in nodes:
        _shadow_nova(lab, node.address or "", node.host_key or "")

    change = push.push(lab, "good").number

    (build,) = wait_for("the first attempt to end", lambda: _ended_builds(xenci, change), seconds=900)
    assert build.node_id in {node.id for node in nodes}
    assert build.fault == "infra"
    assert "another tree" in " ".join(build.reasons)
    assert not [phase for phase in build.phases if phase.phase == "tempest"]
    assert xenci.vote(change) == 0
    review.abandon(lab, change)
    wait_for("the next attempt to be withdrawn", lambda: _all_done(xenci, change), seconds=600)
    assert xenci.said(change) == []


def test_a_failure_that_the_tip_has_too_is_no_minus_one(lab: LabPaths, xenci: Running) -> None:
    tip = push.advance_branch(lab, "bad")
    try:
        xenci.stop()
        xenci.start(tests=BOOT)
        change = push.push(lab, "good").number
        (buildset,) = xenci.await_reports(change)
    finally:
        push.reset_branch(lab, f"{tip}^")
    assert (buildset.result, buildset.fault, buildset.vote) == ("FAILURE", "unknown", None)
    assert "on the tip of the branch too" in " ".join(buildset.reasons)
    assert xenci.vote(change) == 0
    (said,) = xenci.said(change)
    assert "There is no vote" in said


def test_no_server_is_left_and_none_is_forgotten(lab: LabPaths, xenci: Running) -> None:
    """Each machine of the clouds is a node that lives, and each node that lives has its machine."""

    def agree() -> bool:
        servers = {machine.server for machine in clouds.running_machines(lab)}
        nodes = {node.server_id for node in xenci.nodes("building", "testing", "ready", "in-use", "used", "deleting")}
        return servers == nodes and not xenci.nodes("used", "deleting", "in-use")

    wait_for("clouds and rows to agree", agree, seconds=300)


def _phases(build: BuildRow) -> list[tuple[str, str, datetime]]:
    return [(phase.phase, phase.run, phase.started_at) for phase in build.phases]


def _ended_tests(xenci: Running, change: int) -> list[TestRow]:
    return [test for build in xenci.builds(change) for test in build.tests if test.status == "success"]


def _ended_builds(xenci: Running, change: int) -> list[BuildRow]:
    return [build for build in xenci.builds(change) if build.attempt == 1 and build.state == "done"]


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
