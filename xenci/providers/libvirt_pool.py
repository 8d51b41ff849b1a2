"""A folder of disks, as libvirt's storage pool: images by name, a disk and a console file for each node."""

import os
from pathlib import Path
from typing import Any

from xenci.providers import libvirt_domain as dom
from xenci.providers import libvirt_xml as xml
from xenci.providers.libvirt_sizes import missing
from xenci.providers.port import WrongSetup

#: octets kept of a console log
_CONSOLE_LIMIT = 256 * 1024


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

    def path_of(self, file: str) -> str:
        """Return the path of a file of the pool."""
        return f"{self._folder}/{file}"

    def volumes(self) -> list[Any]:
        """Return all volumes, as the pool was last looked at."""
        return list(self._pool.listAllVolumes())

    def refresh(self) -> None:
        """Look at the folder anew."""
        self._pool.refresh(0)

    def volume(self, name: str) -> Any:
        """Return the volume of this name, or None."""
        return next((volume for volume in self.volumes() if volume.name() == name), None)

    def image(self, name: str) -> Any:
        """Return the volume that is an image by its name, with or without `.qcow2`; None if there is none."""
        for is_fresh in (False, True):
            if is_fresh:
                # a file that was put there since the pool was last looked at
                self.refresh()
            found = self.volume(name) or self.volume(f"{name}.qcow2")
            if found is not None:
                return found
        return None

    def image_names(self) -> list[str]:
        """Return the names of what may be an image."""
        names = (volume.name() for volume in self.volumes())
        return [name.removesuffix(".qcow2") for name in names if not name.endswith(".console")]

    def backings(self) -> set[str]:
        """Return the names of the files that other volumes begin as."""
        return {Path(xml.backing_of(volume.XMLDesc(0))).name for volume in self.volumes()} - {""}

    def copy(self, name: str, target: str) -> None:
        """Copy a disk to a new one that needs no other; it may take minutes."""
        source = self.volume(name)
        if source is None:
            raise missing("disk", name, ())
        self._pool.createXMLFrom(xml.volume(name=target, octets=int(source.info()[1])), source, 0)

    def remove_file(self, name: str) -> None:
        """Remove a file; harmless if it is gone."""
        volume = self.volume(name)
        if volume is not None:
            with dom.ignored("VIR_ERR_NO_STORAGE_VOL"):
                volume.delete(0)

    def overlay(self, domain: str, base: Any, octets: int) -> None:
        """Make a node's disk, unless it is there; at least as big as its image."""
        name = self.disk_of(domain)
        if self.volume(name) is not None:
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
        self.refresh()
        for name in names:
            self.remove_file(name)

    def _file(self, name: str) -> Any:
        self.refresh()
        return self.volume(name)

    def _download(self, volume: Any) -> bytes:
        size = int(volume.info()[1])
        stream = self._connection.newStream(0)
        volume.download(stream, max(0, size - _CONSOLE_LIMIT), 0, 0)
        pieces: list[bytes] = []
        stream.recvAll(lambda _stream, data, _opaque: pieces.append(data), None)
        stream.finish()
        return b"".join(pieces)
