"""Writes in words what a node told as proof: a process that began after its tree was checked out, on Xen."""

from datetime import UTC, datetime
from typing import Any

from xenci.dashboard.formats import clock_time

_MOST = 300
#: names of the proof that are moments, in seconds since 1970
_MOMENTS = frozenset({"asked_at", "checked_out_at", "began_at", "ready_at"})
_WORDS = {
    "commit": "Commit in the tree",
    "subject": "Its subject",
    "nova_file": "nova.__file__",
    "changed_files": "Files changed beside it",
    "from_elsewhere": "Modules from elsewhere",
    "checked_out_at": "Checked out",
    "began_at": "Nova's process began",
    "asked_at": "Asked for",
    "ready_at": "Ready",
    "pid": "Process",
    "modules": "Modules of Nova",
    "seconds": "Took, seconds",
    "wanted": "Commit asked for",
    "missing": "No proof",
    "hostname": "Host",
    "libvirt_hostname": "Host as libvirt says",
    "xen_version": "Xen",
    "xen_capabilities": "Guests that Xen can run",
    "xen_command_line": "Xen's command line",
    "cpus": "CPUs",
    "memory_mb": "Memory, MB",
    "kernel": "Kernel of dom0",
    "libvirt_uri": "libvirt's URI",
    "libvirt_type": "libvirt's driver",
    "libvirt_version": "libvirt",
    "os_types": "Guest types of libvirt",
    "uuid": "UUID",
    "name": "Domain",
    "state": "State",
    "run": "Run",
    "via": "Seen through",
}


def told(content: dict[str, Any]) -> list[tuple[str, str]]:
    """Return names and values as words, known names first; sizes are limited."""
    known = [name for name in _WORDS if name in content]
    others = sorted(name for name in content if name not in _WORDS)
    return [(_WORDS.get(name, name[:80]), _value(name, content[name])) for name in (*known, *others)][:40]


def runs(proof: dict[str, Any] | None) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the proof of each start of Nova: of the change's tree, then of the tip's."""
    titles = {
        "first": "The change's tree",
        "tried_first": "Nova did not start, from",
        "again": "The change's tree, started once more",
        "tried_again": "Nova did not start again, from",
        "tip": "The tip's tree",
        "tried_tip": "Nova did not start from the tip's tree",
    }
    content = proof or {}
    return [(title, told(content[run])) for run, title in titles.items() if isinstance(content.get(run), dict)]


def _value(name: str, value: Any) -> str:
    if name in _MOMENTS and isinstance(value, int | float) and 0 < value < 1e11:
        return f"{clock_time(datetime.fromtimestamp(value, UTC))} UTC"
    if isinstance(value, list | tuple):
        return ", ".join(str(one)[:_MOST] for one in value[:20]) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{str(k)[:60]}: {str(v)[:_MOST]}" for k, v in list(value.items())[:20]) or "none"
    if value in ("", None):
        return "none"
    return str(value)[:_MOST]
