"""Gerrit's site: made once by Gerrit's own `init`, its addresses set anew at every start.

`init --dev` gives an account `admin` and lets anybody sign in as anybody in the browser, so that a person can watch a
vote arrive as its author would. That is why nothing here listens beyond the loopback.
"""

import os
import shutil
import subprocess
from pathlib import Path

from xenci.errors import Permanent
from xenci.lab.gerrit import war
from xenci.lab.paths import LabPaths
from xenci.lab.progress import say, step


class CannotInitialise(Permanent):
    """Gerrit's site cannot be made."""


def folder(paths: LabPaths) -> Path:
    """Return the site's folder."""
    return paths.gerrit / "site"


def environment(paths: LabPaths) -> dict[str, str]:
    """Return what Gerrit's Java needs to know: it unpacks itself here instead of the user's home."""
    return {"GERRIT_TMP": str(paths.gerrit / "tmp")}


def ensure(paths: LabPaths, program: Path) -> Path:
    """Return the site, made whole (a half-made one is thrown away) and with this lab's addresses."""
    site = folder(paths)
    mark = site / "etc" / "made-by-xenci"
    if not mark.exists() or mark.read_text() != war.VERSION:
        if site.exists():
            say(f"Gerrit's site is of an interrupted `up` or another release: made anew: {site}")
            shutil.rmtree(site)
        with step("initialise Gerrit's site"):
            _initialise(paths, program, site)
        mark.write_text(war.VERSION)
    _configure(site, _settings(paths))
    return site


def _initialise(paths: LabPaths, program: Path, site: Path) -> None:
    (paths.gerrit / "tmp").mkdir(parents=True, exist_ok=True)
    # one compiler is twice as fast for a program that lives some seconds
    command = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-jar", str(program)]
    command += ["init", "--dev", "--batch", "--no-auto-start", "-d", str(site)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment(paths)},
    )
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip().splitlines()[-3:]
        raise CannotInitialise(" / ".join(said), remedy="It needs Java 17 and half a gigabyte below the lab's folder")


def _settings(paths: LabPaths) -> dict[str, str]:
    web = f"http://127.0.0.1:{paths.gerrit_http}/"
    return {
        "gerrit.canonicalWebUrl": web,
        "gerrit.instanceName": "xenci lab",
        "httpd.listenUrl": web,
        "sshd.listenAddress": f"127.0.0.1:{paths.gerrit_ssh}",
        "sshd.advertisedAddress": f"127.0.0.1:{paths.gerrit_ssh}",
        "sendemail.enable": "false",
        # a killed Gerrit still finds the changes of its last minutes: each write of an index is kept at once
        **{f"index.{name}.commitWithin": "0" for name in ("changes_open", "changes_closed", "accounts", "groups")},
        # nova's tree is 6,600 files: an answer for a diff or a push may take its time on a busy machine
        "receive.timeout": "10 min",
    }


def _configure(site: Path, settings: dict[str, str]) -> None:
    for key, value in settings.items():
        subprocess.run(["git", "config", "-f", str(site / "etc" / "gerrit.config"), key, value], check=True)
