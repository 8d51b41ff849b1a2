"""The configuration of Gerrit: the server, and which of its changes are run and how they are reported."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from xenci.config.models.base import Address, Duration, Model, Name, Pattern
from xenci.model.build import Mode


class GerritSsh(Model):
    """The event stream."""

    host: str
    port: int = 29418
    user: str
    #: private key, readable by xenci alone
    key_file: Path
    #: the server's public key as in known_hosts, `ssh-ed25519 AAAA…`: pinned, a changed one stops the listener
    host_key: str
    #: how often a keepalive is sent
    keepalive: Duration = timedelta(seconds=30)
    #: with nothing heard for so long the connection is made anew and open changes are looked through
    silence: Duration = timedelta(minutes=20)


class Gerrit(Model):
    """One Gerrit server."""

    #: address of the web interface, with the slash at the end
    url: str
    #: other addresses that it has, or had: what `Depends-On` lines name there is looked for here
    aliases: tuple[Address, ...] = ()
    ssh: GerritSsh
    #: the account's user name for REST
    user: str
    #: environment variable that holds the account's HTTP password
    password_env: str = "XENCI_GERRIT_HTTP_PASSWORD"
    #: address that projects are fetched from, `{project}` in it; default: the web address
    git_url: str | None = None
    #: user names that are CIs: their comments never trigger
    ignored_users: tuple[str, ...] = ("zuul",)
    #: groups in Gerrit whose members are CIs; our account must be allowed to see them
    ignored_groups: tuple[str, ...] = ()
    #: names that end like this are CIs too
    ignored_names: Pattern = r"\bCI$"
    #: how often open changes are looked through: those that were touched since the last whole look
    reconcile_every: Duration = timedelta(minutes=5)
    #: how much farther back that goes: more than our clock and Gerrit's differ
    reconcile_margin: Duration = timedelta(hours=1)
    #: how far back the first look goes, one a day, and the one after a change of the triggers
    reconcile_age: Duration = timedelta(days=7)
    #: most requests a second while open changes are looked through
    requests_per_second: float = Field(default=10, gt=0)
    #: wait after an upload, as Gerrit may answer inconsistently at first
    settle: Duration = timedelta(seconds=3)
    #: projects that are there to try a CI: noop jobs vote here, and nothing here counts in a criterion
    sandboxes: tuple[Pattern, ...] = ("^opendev/ci-sandbox$",)

    def is_sandbox(self, project: str) -> bool:
        """Tell whether a project is there to try a CI."""
        return any(re.search(pattern, project) for pattern in self.sandboxes)

    def repository(self, project: str) -> str:
        """Return the address that a project is fetched from."""
        return (self.git_url or f"{self.url.rstrip('/')}/{{project}}").replace("{project}", project)


class Trigger(Model):
    """Which patch sets a pipeline wants."""

    projects: tuple[Pattern, ...]
    branches: tuple[Pattern, ...] = (".*",)
    #: a patch set is irrelevant if every one of its files matches one of these
    irrelevant_files: tuple[Pattern, ...] = ()
    #: whether changes marked work in progress are run
    wip: bool = False
    #: Gerrit's kinds of new patch set that take over the verdict on the one before, with a link, instead of a run
    copy_verdict: tuple[Literal["NO_CODE_CHANGE", "NO_CHANGE", "TRIVIAL_REBASE"], ...] = ()


class Pipeline(Model):
    """How changes are chosen and reported."""

    name: Annotated[str, Field(pattern=r"^\w+$")]
    mode: Mode
    trigger: Trigger
    jobs: tuple[Name, ...] = Field(min_length=1)
    #: a lower number is served first
    priority: int = 100
