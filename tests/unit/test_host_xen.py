"""Xen is proved only if xl and libvirt say the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from xenci.host import xen
from xenci.host.port import CommandFailed, Host, HostOdd, Output
from xenci.host.probe import daemon_uri
from xenci.host.xen import Domain, HostFacts, NotXen, prove_host

XL = b"""host                   : m1
release                : 6.1.0-56-amd64
nr_cpus                : 2
xen_major              : 4
xen_minor              : 17
xen_version            : 4.17.5
xen_caps               : xen-3.0-x86_64 xen-3.0-x86_32p\x20
xen_commandline        : placeholder console=com1 a : b
total_memory           : 3071
==
UUID                                  ID    name
00000000-0000-0000-0000-000000000000  0    Domain-0
"""
DOM0 = {"uuid": "00000000-0000-0000-0000-000000000000", "name": "Domain-0", "id": 0, "state": "running"}
TOLD: dict[str, Any] = {
    "uri": "xen:///system",
    "type": "Xen",
    "hostname": "xennode",
    "libvirt": 9000000,
    "hypervisor": 4017000,
    "cpus": 2,
    "memory_mb": 3071,
    "os_types": ["xen"],
    "domains": [DOM0],
}


class Node:
    address = "node"

    def __init__(self, xl: bytes = XL, exit_code: int = 0) -> None:
        self.output = Output(exit_code=exit_code, stdout=xl, stderr=b"xl: no /proc/xen")

    def run(self, command: str, *, timeout: timedelta, input: bytes = b"") -> Output:
        return self.output

    @contextmanager
    def pipe(self, command: str) -> Iterator["Node"]:
        yield self

    path = Path("/nowhere")
    complaint = "virt-ssh-helper: not found"


def prove(monkeypatch: pytest.MonkeyPatch, node: Node, told: dict[str, Any]) -> HostFacts:
    monkeypatch.setattr(xen, "_ask", lambda host, what, timeout: told)
    host: Host = node  # type: ignore[assignment]
    return prove_host(host)


def test_what_both_agree_on_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = prove(monkeypatch, Node(), TOLD)
    assert (facts.hostname, facts.libvirt_hostname) == ("m1", "xennode")
    assert (facts.xen_version, facts.libvirt_version) == ("4.17.5", "9.0.0")
    assert facts.xen_capabilities == ("xen-3.0-x86_64", "xen-3.0-x86_32p")
    assert facts.xen_command_line == "placeholder console=com1 a : b"
    assert facts.as_json()["os_types"] == ["xen"]


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("type", "QEMU", "libvirt drives 'QEMU'"),
        ("uri", "qemu:///system", "at 'qemu:///system'"),
        ("hypervisor", 4016000, "Xen is 4.17 by xl, 4.16 by libvirt"),
        ("cpus", 3, "CPUs are 2 by xl, 3 by libvirt"),
        ("memory_mb", 8192, "MB of memory are 3071 by xl, 8192 by libvirt"),
        ("domains", [], "does not see Domain-0"),
    ],
)
def test_a_contradiction_is_no_xen_host(monkeypatch: pytest.MonkeyPatch, key: str, value: Any, reason: str) -> None:
    with pytest.raises(NotXen, match=reason):
        prove(monkeypatch, Node(), TOLD | {key: value})


def test_a_host_without_guest_types_is_no_xen_host(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotXen, match="no guest types"):
        prove(monkeypatch, Node(XL.replace(b"xen_caps", b"other")), TOLD)


def test_a_host_where_xl_fails_does_not_answer_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandFailed, match="no /proc/xen"):
        prove(monkeypatch, Node(exit_code=1), TOLD)


@pytest.mark.parametrize("key", ["libvirt", "hypervisor", "cpus", "memory_mb"])
@pytest.mark.parametrize("value", [None, "many", [], {}])
def test_an_answer_of_the_wrong_kind_is_odd(monkeypatch: pytest.MonkeyPatch, key: str, value: Any) -> None:
    with pytest.raises(HostOdd):
        prove(monkeypatch, Node(), TOLD | {key: value})


def test_our_way_to_libvirt_is_no_part_of_what_it_drives() -> None:
    assert daemon_uri("xen+unix:///system?socket=/tmp/xenci-a/socket") == "xen:///system"
    assert daemon_uri("qemu:///session") == "qemu:///session"


def test_names_of_domains_are_made_printable_and_their_uuids_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    host: Host = Node()  # type: ignore[assignment]
    guest = DOM0 | {"uuid": "aaf4bd05-0000-4000-8000-000000000001", "name": "\x1b[2J" + "x" * 999}
    monkeypatch.setattr(xen, "_ask", lambda *_: {"domains": [DOM0, guest]})
    found = xen.domains(host)
    assert found[0] == Domain(uuid=DOM0["uuid"], name="Domain-0", state="running")  # type: ignore[arg-type]
    assert found[1].name.startswith("?[2Jx")
    assert len(found[1].name) == 400
    for bad in (guest | {"uuid": "x"}, "no dict", {}):
        monkeypatch.setattr(xen, "_ask", lambda *_, bad=bad: {"domains": [bad]})
        with pytest.raises(HostOdd):
            xen.domains(host)


def test_libvirt_that_cannot_be_reached_is_told_with_the_nodes_words() -> None:
    host: Host = Node()  # type: ignore[assignment]
    with pytest.raises(CommandFailed, match="virt-ssh-helper: not found"):
        xen.domains(host)
