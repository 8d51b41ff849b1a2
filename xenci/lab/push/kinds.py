"""The kinds of change that the lab can push, each an edit of one file of Nova: pure text in, text out.

An edit finds its place by upstream's own text and refuses a file where that is gone. The serial number makes two pushes
of one kind differ, as Gerrit refuses a patch set that changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

from xenci.errors import Permanent

#: (text of the file, serial number of the push) -> new text
Edit = Callable[[str, str], str]

DRIVER = "nova/virt/libvirt/driver.py"
UTILS = "nova/virt/libvirt/utils.py"
FLAVORS = "nova/api/openstack/compute/views/flavors.py"
DOCUMENT = "doc/source/user/flavors.rst"


class PlaceIsGone(Permanent):
    """The branch no longer has the text that this kind of change edits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of change."""

    name: str
    #: the commit message without its footer: subject, blank line, body
    message: str
    #: the file that it edits
    file: str
    edit: Edit
    #: what the CI is expected to make of it, for people
    expected: str


def _replace(text: str, old: str, new: str) -> str:
    if text.count(old) != 1:
        found = "is not there" if old not in text else "is there more than once"
        remedy = "`xenci lab down`, remove the lab's folder and start anew, or push another kind"
        raise PlaceIsGone(f"{old.strip().splitlines()[0]!r} {found}", remedy=remedy)
    return text.replace(old, new)


def _line_after(text: str, anchor: str) -> str:
    _, found, rest = text.partition(anchor)
    if not found:
        raise PlaceIsGone(f"{anchor.strip().splitlines()[-1]!r} is not there")
    return rest.split("\n", 1)[0]


def reword_log(text: str, serial: str) -> str:
    """Say in other words why the clock is local: harmless."""
    anchor = "        if os_type == 'windows':\n            LOG.info("
    old = _line_after(text, anchor)
    return _replace(text, anchor + old, f"{anchor}'Windows guest: its clock follows local time [{serial}]')")


def set_timers_for_all(text: str, serial: str) -> str:
    """Set QEMU's timers for every guest: KVM does not notice, libxl refuses the timer 'pit'."""
    old = """        if CONF.libvirt.virt_type == "kvm":
            self._set_kvm_timers(clk, os_type, image_meta)
"""
    new = f"""        # every guest keeps better time with them [{serial}]
        self._set_kvm_timers(clk, os_type, image_meta)
"""
    return _replace(text, old, new)


def leave_unfinished(text: str, serial: str) -> str:
    """Leave a function half written: Nova does not start."""
    return f"{text}\n\ndef unfinished_{serial}(\n"


def forget_flavor_id(text: str, serial: str) -> str:
    """Show a flavor under another id than its own: one quick test of the API fails, on any hypervisor."""
    rest = """                "name": flavor["name"],
                "ram": flavor["memory_mb"],
"""
    old = f'                "id": flavor["flavorid"],\n{rest}'
    return _replace(text, old, f'                "id": "{serial}",\n{rest}')


def explain_flavors(text: str, serial: str) -> str:
    """Add a sentence to the documentation."""
    old = "Overview\n--------\n"
    return _replace(text, old, f"{old}\nSizes are chosen when a server is created, see below ({serial}).\n")


def reword_comment(text: str, serial: str) -> str:
    """Write one comment line anew, whatever it says now: two such edits of one base conflict."""
    anchor = "RESIZE_SNAPSHOT_NAME = 'nova-resize'\n\n"
    old = _line_after(text, anchor)
    return _replace(
        text, anchor + old, f"{anchor}# Which libvirt CPU feature is which trait [{serial}]; for more details, see"
    )


def name_kvm_first(text: str, serial: str) -> str:
    """Turn two words round in a condition that the carried series edits too: harmless, but that no longer applies."""
    old = """        if CONF.libvirt.virt_type in ('qemu', 'kvm'):
            guest.add_feature(vconfig.LibvirtConfigGuestFeatureACPI())
"""
    new = f"""        if CONF.libvirt.virt_type in ('kvm', 'qemu'):  # [{serial}]
            guest.add_feature(vconfig.LibvirtConfigGuestFeatureACPI())
"""
    return _replace(text, old, new)


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            name="good",
            message="libvirt: Say more plainly why the clock is local\n\nThe old text named no reason.",
            file=DRIVER,
            edit=reword_log,
            expected="Verified +1",
        ),
        Kind(
            name="bad",
            message="libvirt: Set the timers for every guest\n\nPolicies for PIT and RTC help any guest to keep time,\n"
            "so don't ask for the hypervisor first.",
            file=DRIVER,
            edit=set_timers_for_all,
            expected="Verified -1: libxl refuses the timer 'pit'",
        ),
        Kind(
            name="broken",
            message="libvirt: Leave something unfinished\n\nThis is not meant to be merged.",
            file=UTILS,
            edit=leave_unfinished,
            expected="Verified -1: Nova does not start",
        ),
        Kind(
            name="wrong-flavor",
            message="api: Show flavors by a shorter id\n\nThis is not meant to be merged.",
            file=FLAVORS,
            edit=forget_flavor_id,
            expected="Verified -1: a test of the API fails",
        ),
        Kind(
            name="docs",
            message="doc: Tell when a flavor is chosen\n\nReaders asked.",
            file=DOCUMENT,
            edit=explain_flavors,
            expected="not run: documentation only",
        ),
        Kind(
            name="conflict",
            message="libvirt: Reword the comment on CPU features\n\nIt is about traits.",
            file=UTILS,
            edit=reword_comment,
            expected="no comment: conflicts with the branch tip",
        ),
        Kind(
            name="carry-conflict",
            message="libvirt: Name KVM first where both are meant\n\nAs everywhere else in this file.",
            file=DRIVER,
            edit=name_kvm_first,
            expected="no comment: the carried series no longer applies",
        ),
    )
}
