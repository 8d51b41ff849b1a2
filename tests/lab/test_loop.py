"""The main job on the real lab: from a push to a vote, and changes about which nothing is said."""

import shutil
from collections.abc import Iterator

import pytest

from tests.lab.running import Running
from xenci.lab import demo, push, settings
from xenci.lab.paths import LabPaths

pytestmark = [pytest.mark.lab, pytest.mark.xen, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def xenci(lab: LabPaths) -> Iterator[Running]:
    """xenci, fresh, on the test lab."""
    running = Running(paths=lab)
    shutil.rmtree(settings.own_state(lab), ignore_errors=True)
    try:
        yield running
    finally:
        running.close()


def test_a_good_change_gets_plus_one_and_of_the_others_nothing_is_said(lab: LabPaths, xenci: Running) -> None:
    xenci.start()
    good = push.push(lab, "good")
    silent = {kind: push.push(lab, kind) for kind in ("docs", "conflict", "carry-conflict")}

    votes = demo.follow(lab, xenci.database, {"good": good})

    assert votes == {"good": 1}
    _good(xenci, good.number)
    _docs(xenci, silent["docs"].number)
    _conflict(xenci, silent["conflict"].number)
    _carry_conflict(xenci, silent["carry-conflict"].number)
    assert "Xen" in xenci.page("/")
    assert "this is a lab" in xenci.page("/nodes").lower()


def _good(xenci: Running, change: int) -> None:
    (buildset,) = xenci.buildsets(change)
    # on a busy machine an attempt may end by our own fault: the last one counts, as it does for the vote
    build = buildset.builds[-1]
    assert (build.result, build.fault) == ("SUCCESS", "none")
    assert build.counts["first"]["passed"] >= 34
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


def _docs(xenci: Running, change: int) -> None:
    assert xenci.buildsets(change) == []
    assert "documentation" in (xenci.not_run(change) or "")
    assert "Only documentation files" in xenci.page(f"/change/{change}")
    assert xenci.said(change) == []


def _conflict(xenci: Running, change: int) -> None:
    (buildset,) = xenci.buildsets(change)
    assert buildset.result == "MERGE_CONFLICT"
    assert xenci.said(change) == []


def _carry_conflict(xenci: Running, change: int) -> None:
    (buildset,) = xenci.buildsets(change)
    assert (buildset.result, buildset.fault) == ("CARRY_CONFLICT", "infra")
    assert xenci.said(change) == []
    assert "nova/virt/libvirt/driver.py" in xenci.page("/health")


def _text(xenci: Running, uuid: str, name: str) -> str:
    return xenci.page(f"/artifact/{uuid}/{name}")
