"""Who has an account in the lab's Gerrit: the CI, a peer, and people to push and to review as.

Each has an SSH key and a random HTTP password. The CI's password is the one that xenci's configuration names; the
others serve the lab itself.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from xenci.lab import passwords
from xenci.lab.paths import LabPaths

CI_GROUP = "third-party-ci"
DEVELOPERS = "lab-developers"
REVIEWERS = "lab-reviewers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One account."""

    #: account name, which is also the SSH user and the name of the key file
    name: str
    #: what Gerrit shows; the CI's must begin with words, a space and "CI" to be seen in the results tab
    display: str
    group: str
    #: environment variable of the HTTP password
    variable: str

    @property
    def mail(self) -> str:
        return f"{self.name}@example.org"


CI = Person(name="xen-project-ci", display="Xen Project CI", group=CI_GROUP, variable="XENCI_GERRIT_HTTP_PASSWORD")
PEER = Person(name="zuul", display="Zuul", group=CI_GROUP, variable="XENCI_LAB_ZUUL_PASSWORD")
DEV = Person(name="dev", display="A Developer", group=DEVELOPERS, variable="XENCI_LAB_DEV_PASSWORD")
REVIEWER = Person(name="reviewer", display="A Reviewer", group=REVIEWERS, variable="XENCI_LAB_REVIEWER_PASSWORD")
#: made by Gerrit's own initialisation, which gives it the password `secret`; the seed changes that at once
ADMIN = Person(name="admin", display="Administrator", group="Administrators", variable="XENCI_LAB_ADMIN_PASSWORD")

EVERYBODY = (CI, PEER, DEV, REVIEWER)


def password(paths: LabPaths, person: Person) -> str:
    """Return the person's HTTP password, made at the first time."""
    return passwords.ensure(paths.secrets, person.variable)


def private_key(paths: LabPaths, person: Person) -> Path:
    """Return the person's SSH key file (the public half beside it, `.pub`), made at the first time."""
    key = paths.keys / person.name
    if not key.with_suffix(".pub").exists():
        paths.keys.mkdir(parents=True, exist_ok=True)
        key.unlink(missing_ok=True)
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{person.name}@lab", "-f", str(key)],
            check=True,
            stdin=subprocess.DEVNULL,
        )
    return key


def public_key(paths: LabPaths, person: Person) -> str:
    """Return the person's public SSH key, one line."""
    return private_key(paths, person).with_suffix(".pub").read_text().strip()
