"""Gerrit itself: one pinned release from the Java registry, in the cache whole or not at all."""

import hashlib
import shutil
import subprocess
from pathlib import Path

from xenci.errors import Temporary
from xenci.lab import lock
from xenci.lab.paths import LabPaths
from xenci.lab.progress import say, step

VERSION = "3.9.4"
SHA256 = "a63ad65df69ed66a262514df7483da96c2f29c01b0aa9d55b57f4cf6eab32703"
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"


class CannotFetch(Temporary):
    """Gerrit cannot be fetched from the Java registry."""


def path(paths: LabPaths) -> Path:
    """Return where the war lies once `ensure` has been here."""
    return paths.cache / "gerrit" / f"gerrit-{VERSION}.war"


def ensure(paths: LabPaths) -> Path:
    """Return the war; fetch it if it is missing or its content is not the pinned one (said with the reason)."""
    war = path(paths)
    with lock.held(war.with_suffix(".lock"), "Gerrit's war"):
        reason = flaw(war)
        if reason:
            say(f"Gerrit's war {reason}: {war}")
            with step(f"fetch Gerrit {VERSION} with Maven"):
                _fetch(war)
    return war


def flaw(war: Path) -> str | None:
    """Return what is wrong with the cached war in a few words, or None if it is whole."""
    try:
        with war.open("rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
    except FileNotFoundError:
        return "is not cached yet"
    return None if found == SHA256 else "is damaged"


def _fetch(war: Path) -> None:
    folder = war.parent / "download"
    shutil.rmtree(folder, ignore_errors=True)
    command = ["mvn", "-q", "-B", _COPY, f"-Dartifact=com.google.gerrit:gerrit-war:{VERSION}:war"]
    command += [f"-DoutputDirectory={folder}", "-Dmdep.stripVersion=true"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    fetched = folder / "gerrit-war.war"
    remedy = "Check Maven's settings and that its registry answers, then run the same command again"
    if done.returncode != 0 or not fetched.exists():
        said = (done.stdout + done.stderr).strip().splitlines()[:1]
        raise CannotFetch(f"Maven says: {said[0] if said else 'nothing'}", remedy=remedy)
    if flaw(fetched):
        raise CannotFetch(f"what Maven brought is not the pinned release (SHA-256 {SHA256[:16]}…)", remedy=remedy)
    fetched.rename(war)
    folder.rmdir()
