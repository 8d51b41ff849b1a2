"""Names that tell whose a file of a storage pool is, as libvirt keeps nothing besides about a volume.

A name ends in a digest of itself and of our system id. Nobody gets such a name by chance, and a name that only looks
like one of ours does not pass: what a person copies or renames is his.
"""

import hashlib
import re
from collections.abc import Mapping

#: what belongs to a name: a node's disk and console, or an image's disk
_FILE = re.compile(r"^(?P<stem>.+\.[0-9a-f]{12})-(?P<seal>[0-9a-f]{12})\.(qcow2|console)$")


def sealed(system: str, name: str, values: Mapping[str, str]) -> str:
    """Return the name for what was asked for by a name with all of these values: the same asked again is the same."""
    told = "\n".join(f"{key}={value}" for key, value in sorted(values.items()))
    stem = f"{name}.{_digest(told)}"
    return f"{stem}-{_seal(system, stem)}"


def is_file_of(system: str, file: str) -> bool:
    """Tell whether a file of a pool has a name that we gave it."""
    found = _FILE.match(file)
    return found is not None and found["seal"] == _seal(system, found["stem"])


def owner_of(file: str) -> str:
    """Return the domain that a file was made for."""
    return file.rpartition(".")[0]


def _seal(system: str, stem: str) -> str:
    return _digest(f"{system}\n{stem}")


def _digest(words: str) -> str:
    return hashlib.sha256(words.encode()).hexdigest()[:12]
