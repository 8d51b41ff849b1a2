"""Files of the pool that were made for a domain of ours: disks and consoles, which may have outlived it.

Ours is what has a name that we gave it (`libvirt_marks.py`). What another domain uses, or another disk begins as, is
left alone even then.
"""

from typing import Any

from xenci.model.leftover import Kind, Leftover
from xenci.providers import libvirt_domain as dom
from xenci.providers import libvirt_xml as xml
from xenci.providers.libvirt_marks import is_file_of, owner_of
from xenci.providers.libvirt_pool import Pool
from xenci.providers.libvirt_record import record_of


def files(at: Any, pool: Pool, system: str) -> list[Leftover]:
    """Return the files of nodes of ours, with the domain's UUID where there is one; an image's belong to the image."""
    # the files before the domains: a file is made after its domain, and goes before it
    pool.refresh()
    names = [volume.name() for volume in pool.volumes() if is_file_of(system, volume.name())]
    if not names:
        return []
    owners: dict[str, str] = {}
    records: set[str] = set()
    used = pool.backings()
    for domain, described in dom.domains(at):
        name = domain.name()
        if record_of(described) is not None:
            records.add(name)
            continue
        owners[name] = domain.UUIDString()
        used |= {file for file in xml.files_of(described) if owner_of(file) != name}
    return [
        Leftover(kind=Kind.VOLUME, id=name, name=name, server_id=owners.get(owner_of(name)))
        for name in names
        if owner_of(name) not in records and name not in used
    ]


def delete_file(at: Any, pool: Pool, system: str, name: str) -> None:
    """Delete a file that `files` told, unless it belongs to a domain by now; harmless if it is gone."""
    for left in files(at, pool, system):
        if left.id == name and left.server_id is None:
            pool.remove_file(name)
