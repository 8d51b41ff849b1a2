"""Prove that a node is a Xen host, and see its guests: by `xl` in the node and by libvirt from outside.

Two ways that know nothing of each other must agree: the hypervisor's own tool, and libvirt's Xen driver, which is what
Nova drives. libvirt is asked by libvirt-python through a forwarded socket, in a process with an end (see probe.py).
"""

import json
import os
import re
import sys
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from xenci.errors import Permanent
from xenci.host.local import run_local
from xenci.host.port import CommandFailed, Host, HostOdd, HostSlow

#: libvirt's own end for a remote client: it finds the right socket, also where the daemon is split in parts
_PROXY = "virt-ssh-helper xen:///system"
_DOM0 = "00000000-0000-0000-0000-000000000000"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOST = 400
PATIENCE = timedelta(seconds=120)


class NotXen(Permanent):
    """The node is no Xen host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A guest, or dom0, as libvirt tells it."""

    uuid: str
    name: str
    #: libvirt's word: running, blocked, paused, shutdown, shutoff, crashed ..
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """What was proved about a Xen host."""

    hostname: str
    #: as libvirt, and so Nova, names it
    libvirt_hostname: str
    xen_version: str
    #: guest types, such as xen-3.0-x86_64 (PV) and hvm-3.0-x86_64
    xen_capabilities: tuple[str, ...]
    xen_command_line: str
    cpus: int
    memory_mb: int
    #: dom0's kernel
    kernel: str
    libvirt_uri: str
    libvirt_type: str
    libvirt_version: str
    #: os types of libvirt's capabilities: xen, hvm, ..
    os_types: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return plain values for a row of the database."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def prove_host(host: Host, *, timeout: timedelta = PATIENCE) -> HostFacts:
    """Ask `xl` and libvirt, and return what both agree on.

    Raises NotXen if they contradict each other or it is another hypervisor; CommandFailed while one of them does not
    answer, as right after a boot; HostLost.
    """
    output = host.run("xl info && echo == && xl vm-list", timeout=timeout)
    if output.exit_code:
        raise CommandFailed(f"{host.address}: {output.words}", brief="Xen does not answer (xl info)")
    xl, _, guests = output.stdout.decode(errors="replace")[:65536].partition("\n==\n")
    info = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in xl.splitlines())}
    told = _ask(host, "facts", timeout)
    _must_agree(host.address, info, guests, told)
    number = _number(told, "libvirt")
    return HostFacts(
        hostname=_text(info.get("host")),
        libvirt_hostname=_text(told.get("hostname")),
        xen_version=_text(info.get("xen_version")),
        xen_capabilities=tuple(_text(info.get("xen_caps")).split()),
        xen_command_line=_text(info.get("xen_commandline")),
        cpus=_number(info, "nr_cpus"),
        memory_mb=_number(info, "total_memory"),
        kernel=_text(info.get("release")),
        libvirt_uri=_text(told.get("uri")),
        libvirt_type=_text(told.get("type")),
        libvirt_version=f"{number // 1000000}.{number // 1000 % 1000}.{number % 1000}",
        os_types=tuple(_text(kind) for kind in _list(told, "os_types")[:20]),
    )


def domains(host: Host, *, timeout: timedelta = PATIENCE) -> list[Domain]:
    """Return every domain that libvirt knows, dom0 included. Raises CommandFailed or HostLost."""
    return _domains(_ask(host, "domains", timeout))


def _ask(host: Host, what: str, timeout: timedelta) -> dict[str, Any]:
    with host.pipe(_PROXY) as pipe:
        program = [sys.executable, "-m", "xenci.host.probe", str(pipe.path), what]
        ended = run_local(program, timeout=timeout, env=os.environ)
        if ended.exit_code is None:
            raise HostSlow(f"{host.address}: libvirt did not answer in {timeout.total_seconds():g} s")
    try:
        said = json.loads(ended.stdout)
    except ValueError as error:
        raise HostOdd(f"{host.address}: libvirt: {ended.words} {pipe.complaint}".strip()) from error
    if ended.exit_code or not isinstance(said, dict):
        words = f"{host.address}: {_text(said.get('error'))} {pipe.complaint}".strip()
        raise CommandFailed(words, brief="libvirt does not answer")
    return said


def _must_agree(address: str, xl: dict[str, str], guests: str, told: dict[str, Any]) -> None:
    number = _number(told, "hypervisor")
    by_libvirt = f"{number // 1000000}.{number // 1000 % 1000}"
    by_xl = f"{xl.get('xen_major')}.{xl.get('xen_minor')}"
    wrong = []
    if told.get("type") != "Xen" or not _text(told.get("uri")).startswith("xen:"):
        wrong.append(f"libvirt drives {_text(told.get('type'))!r} at {_text(told.get('uri'))!r}")
    if by_libvirt != by_xl:
        wrong.append(f"Xen is {by_xl} by xl, {by_libvirt} by libvirt")
    if _number(xl, "nr_cpus") != _number(told, "cpus"):
        wrong.append(f"CPUs are {_number(xl, 'nr_cpus')} by xl, {_number(told, 'cpus')} by libvirt")
    if abs(_number(xl, "total_memory") - _number(told, "memory_mb")) > 16:
        wrong.append(f"MB of memory are {_number(xl, 'total_memory')} by xl, {_number(told, 'memory_mb')} by libvirt")
    if _DOM0 not in guests or _DOM0 not in {domain.uuid for domain in _domains(told)}:
        wrong.append("xl or libvirt does not see Domain-0")
    if not xl.get("xen_caps"):
        wrong.append("xl tells no guest types")
    if wrong:
        raise NotXen(f"{address}: {'; '.join(wrong)}")


def _domains(told: dict[str, Any]) -> list[Domain]:
    found = []
    for entry in _list(told, "domains")[:1000]:
        uuid = _text(entry.get("uuid")) if isinstance(entry, dict) else ""
        if not _UUID.fullmatch(uuid):
            raise HostOdd(f"libvirt tells of a domain {uuid!r}")
        found.append(Domain(uuid=uuid, name=_text(entry.get("name")), state=_text(entry.get("state"))))
    return found


def _text(value: object) -> str:
    """Return a printable text of bounded length, whatever the node said."""
    return "".join(c if c.isprintable() else "?" for c in str(value if value is not None else ""))[:_MOST]


def _number(told: dict[str, Any], key: str) -> int:
    value = told.get(key)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return int(value)
    if not isinstance(value, int):
        raise HostOdd(f"{key} is {_text(value)[:80]!r}, no number")
    return value


def _list(told: dict[str, Any], key: str) -> list[Any]:
    value = told.get(key)
    return value if isinstance(value, list) else []
