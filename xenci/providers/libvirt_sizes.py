"""Sizes of a machine of one's own, by their names or by what they must have at least."""

import difflib
from collections.abc import Iterable

from xenci.config.models import Libvirt
from xenci.config.models import Size as LibvirtSize
from xenci.model.node import Size
from xenci.providers.port import WrongSetup

#: as many names are told in an error
_TOLD = 12


def missing(kind: str, name: str, there: Iterable[str]) -> WrongSetup:
    """Return the error about a name that is not there, with the one that is near."""
    names = sorted(there)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    told = ", ".join(names[:_TOLD]) + (" .." if len(names) > _TOLD else "")
    hint = f"did you mean {near[0]!r}? " if near else ""
    return WrongSetup(
        repr(name), brief=f"The machine has no {kind} of this name", remedy=f"{hint}it has {told or 'none'}"
    )


def find_size(machine: Libvirt, wanted: str | Size) -> LibvirtSize:
    """Return the size of this name, or the smallest that has as much. Raises WrongSetup."""
    if isinstance(wanted, str):
        found = next((size for size in machine.sizes if size.name == wanted), None)
        if found is None:
            raise missing("flavor", wanted, (size.name for size in machine.sizes))
        return found
    there = sorted(machine.sizes, key=lambda one: (one.ram_mb, one.vcpus, one.disk_gb or 0, one.name))
    fitting = [one for one in there if one.ram_mb >= wanted.ram_gb * 1024 and one.vcpus >= wanted.vcpus]
    if not fitting:
        told = ", ".join(f"{one.name} ({one.ram_mb / 1024:g} GB, {one.vcpus} vCPU)" for one in there[-_TOLD:])
        raise WrongSetup(
            str(wanted),
            brief="The machine has no flavor of this size",
            remedy=f"ask for less, or add one to libvirt.sizes; the largest are {told}",
        )
    return fitting[0]
