"""A folder of disks, as libvirt's storage pool: images by name, a disk and a console file for each node."""

import difflib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from xenci.config.models import Libvirt, Size
from xenci.providers import libvirt_xml as xml
from xenci.providers.port import WrongSetup

#: octets kept of a console log
_CONSOLE_LIMIT = 256 * 1024
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


def find_size(machine: Libvirt, name: str) -> Size:
    """Return the size of this name. Raises WrongSetup."""
    found = next((size for size in machine.sizes if size.name == name), None)
    if found is None:
        raise missing("flavor", name, (size.name for size in machine.sizes))
    return found


class Pool:
    """The pool of a connection. Every method may raise libvirt's errors."""

    def __init__(self, connection: Any, name: str) -> None:
        self._connection = connection
        there = {pool.name(): pool for pool in connection.listAllStoragePools()}
        if name not in there:
            raise missing("storage pool", name, there)
        self._pool = there[name]
        if not self._pool.isActive():
            raise WrongSetup(repr(name), brief="The storage pool is not active", remedy=f"virsh pool-start {name}")
        self._folder = xml.folder_of(self._pool.XMLDesc(0))

    def disk_of(self, domain: str) -> str:
        """Return the name of a node's disk."""
        return f"{domain}.qcow2"

    def console_of(self, domain: str) -> str:
        """Return the path of a node's console file."""
        return f"{self._folder}/{domain}.console"

    def image(self, name: str) -> Any:
        """Return the volume that is an image, by its name or without `.qcow2`. Raises WrongSetup."""
        there = {volume.name(): volume for volume in self._pool.listAllVolumes()}
        found = there.get(name) or there.get(f"{name}.qcow2")
        if found is None:
            # a file that was put there since the pool was last looked at
            self._pool.refresh(0)
            there = {volume.name(): volume for volume in self._pool.listAllVolumes()}
            found = there.get(name) or there.get(f"{name}.qcow2")
        if found is None:
            raise missing("image", name, (one.removesuffix(".qcow2") for one in there if not one.endswith(".console")))
        return found

    def overlay(self, domain: str, base: Any, octets: int) -> None:
        """Make a node's disk, unless it is there; at least as big as its image."""
        name = self.disk_of(domain)
        if any(volume.name() == name for volume in self._pool.listAllVolumes()):
            return
        size = max(octets, int(base.info()[1]))
        image_format = xml.format_of(base.XMLDesc(0))
        described = xml.overlay(name=name, image=base.path(), image_format=image_format, octets=size)
        self._pool.createXML(described, 0)

    def console(self, domain: str) -> str:
        """Return the end of a node's console: the file, or what libvirt hands out of it where we may not read it."""
        path = Path(self.console_of(domain))
        if os.access(path, os.R_OK):
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - _CONSOLE_LIMIT))
                return file.read().decode(errors="replace")
        volume = self._file(path.name)
        return "" if volume is None else self._download(volume).decode(errors="replace")

    def remove(self, domain: str) -> None:
        """Remove a node's disk and its console file; harmless if they are gone."""
        names = (self.disk_of(domain), Path(self.console_of(domain)).name)
        self._pool.refresh(0)
        for volume in self._pool.listAllVolumes():
            if volume.name() in names:
                volume.delete(0)

    def _file(self, name: str) -> Any:
        self._pool.refresh(0)
        return next((volume for volume in self._pool.listAllVolumes() if volume.name() == name), None)

    def _download(self, volume: Any) -> bytes:
        size = int(volume.info()[1])
        stream = self._connection.newStream(0)
        volume.download(stream, max(0, size - _CONSOLE_LIMIT), 0, 0)
        pieces: list[bytes] = []
        stream.recvAll(lambda _stream, data, _opaque: pieces.append(data), None)
        stream.finish()
        return b"".join(pieces)
