"""The lab's passwords: random for each lab, in one environment file that only its owner may read.

A configuration names an environment variable and never holds a secret; the file gives the variables their values, for
`up` as for a person who starts xenci by hand (`set -a; . secrets.env`).
"""

import os
import secrets
from pathlib import Path

from xenci.lab import lock


def read(file: Path) -> dict[str, str]:
    """Return what the file holds by variable; empty if there is no file."""
    try:
        text = file.read_text()
    except FileNotFoundError:
        return {}
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def ensure(file: Path, variable: str) -> str:
    """Return the password of this variable; make a random one and keep it if there is none."""
    # the file changes as a whole: whoever only reads need not wait
    known = read(file)
    if variable in known:
        return known[variable]
    with lock.held(file.with_suffix(".lock"), "the lab's passwords"):
        known = read(file)
        if variable not in known:
            known[variable] = secrets.token_urlsafe(24)
            _write(file, known)
        return known[variable]


def _write(file: Path, values: dict[str, str]) -> None:
    new = file.with_suffix(".new")
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as out:
        out.writelines(f"{variable}={value}\n" for variable, value in sorted(values.items()))
    new.rename(file)
