"""Images of ours: full copies of a node's disk in the pool, each with a record that says whether it is whole.

A running domain's disk is copied by a backup job of libvirt, as it was at one moment; the job goes on in the emulator,
whatever becomes of us. Its outcome is read later, by whoever asks next. A domain that is off, or whose driver has no
backups, has its disk copied by the pool. An image is `active` only when libvirt has said that its copy succeeded.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from xenci.clock import Clock
from xenci.errors import Temporary
from xenci.model.leftover import Image
from xenci.providers import libvirt_domain as dom
from xenci.providers import libvirt_jobs as jobs
from xenci.providers import libvirt_record as records
from xenci.providers.libvirt_marks import sealed
from xenci.providers.libvirt_pool import Pool
from xenci.providers.libvirt_record import Record
from xenci.providers.libvirt_sizes import missing
from xenci.providers.port import IMAGE_KEY, SYSTEM_KEY

#: a copy that was asked for so long ago and has not begun will not begin any more
_BEGUN = timedelta(minutes=2)


class Store:
    """The images on a connection; every method may raise libvirt's errors."""

    def __init__(self, at: Any, pool: Pool, provider: str, machine: str, system: str, clock: Clock) -> None:
        self._at = at
        self._pool = pool
        self._provider = provider
        self._machine = machine
        self._system = system
        self._clock = clock

    def images(self) -> list[Image]:
        """Return the images of ours, whatever their status."""
        return [records.image_of(kept, record, self._provider) for kept, record in self._settled()]

    def base(self, name: str) -> Any:
        """Return an image's volume: a file of the pool, or else the newest whole one of ours. Raises WrongSetup."""
        found = self._pool.image(name)
        if found is not None:
            return found
        there = [(record.created_at, kept.name()) for kept, record in self._settled() if _is_whole(record, name)]
        # the newest may have been deleted since
        for _, file in sorted(there, reverse=True):
            volume = self._pool.volume(self._pool.disk_of(file))
            if volume is not None:
                return volume
        raise missing("image", name, [*self._pool.image_names(), *(one.name for one in self.images())])

    def snapshot(self, domain: Any, name: str, properties: dict[str, str]) -> Image:
        """Return the image of this name and these properties, asked for unless it is there."""
        wanted = {**properties, SYSTEM_KEY: self._system, IMAGE_KEY: name}
        for kept, record in self._settled():
            if record.name == name and wanted.items() <= record.properties.items():
                if not self._is_lost(record):
                    return records.image_of(kept, record, self._provider)
                self._remove(kept, record)
            elif record.source == domain.UUIDString() and record.status == "saving":
                raise Temporary(f"{record.name} is being made of it", brief="One image of a server at a time")
        record = Record(
            name=name,
            status="queued",
            source=domain.UUIDString() if domain.isActive() else "",
            properties=wanted,
            created_at=self._clock(),
        )
        file = sealed(self._system, name, wanted)
        kept = self._at.defineXML(records.domain(record, name=file, machine=self._machine))
        try:
            record = self._copy(domain, kept, record)
        except BaseException:
            self._remove(kept, record)
            raise
        return records.image_of(kept, record, self._provider)

    def delete(self, image_id: str) -> None:
        """Delete an image of ours; harmless if it is gone. Raises Temporary while a disk begins as it."""
        for kept, record in self._records():
            if kept.UUIDString() == image_id:
                self._remove(kept, record)

    def _copy(self, domain: Any, kept: Any, record: Record) -> Record:
        """Begin the copy, or make all of it; return the record as it was written."""
        target = self._pool.disk_of(kept.name())
        if record.source and jobs.begin_backup(domain, self._pool.path_of(target)):
            record = replace(record, status="saving")
        else:
            # nobody but this process knows how far it is
            records.write(kept, replace(record, status="saving", source=""))
            self._pool.copy(self._pool.disk_of(domain.name()), target)
            record = replace(record, status="active", source="")
        records.write(kept, record)
        return record

    def _settled(self) -> list[tuple[Any, Record]]:
        """Return the records of ours, after the outcome of each backup that has ended was written down."""
        found = []
        for kept, record in self._records():
            if record.status == "saving" and record.source:
                status = self._outcome(kept, record)
                if status != record.status:
                    record = replace(record, status=status)
                    records.write(kept, record)
            found.append((kept, record))
        return found

    def _outcome(self, kept: Any, record: Record) -> str:
        file = self._pool.disk_of(kept.name())
        with dom.ignored("VIR_ERR_NO_DOMAIN"):
            ended = jobs.backup_succeeded(self._at.lookupByUUIDString(record.source), self._pool.path_of(file))
            if ended is None:
                return "saving"
            self._pool.refresh()
            return "active" if ended and self._pool.volume(file) is not None else "killed"
        # the domain went before its copy was whole, or before anybody asked
        return "killed"

    def _is_lost(self, record: Record) -> bool:
        """Tell whether an image will never be whole."""
        if record.status == "queued":
            return self._clock() - record.created_at > _BEGUN
        return record.status == "killed"

    def _remove(self, kept: Any, record: Record) -> None:
        file = self._pool.disk_of(kept.name())
        if record.status == "saving" and record.source:
            with dom.ignored("VIR_ERR_NO_DOMAIN"):
                jobs.abort_backup(self._at.lookupByUUIDString(record.source), self._pool.path_of(file))
        self._pool.refresh()
        if file in self._pool.backings():
            raise Temporary(f"provider {self._provider}: {record.name}", brief="A node's disk begins as this image")
        self._pool.remove_file(file)
        with dom.ignored("VIR_ERR_NO_DOMAIN"):
            dom.undefine(kept)

    def _records(self) -> Iterator[tuple[Any, Record]]:
        for domain, described in dom.domains(self._at):
            record = records.record_of(described)
            if record is not None and record.properties.get(SYSTEM_KEY) == self._system:
                yield domain, record


def _is_whole(record: Record, name: str) -> bool:
    return record.name == name and record.status == "active"
