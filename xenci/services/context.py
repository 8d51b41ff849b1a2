"""What every step is handed: the settings, the database, the clock and one door to each outside thing."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from xenci.artifacts.local import LocalStore
from xenci.artifacts.port import ArtifactStore
from xenci.clock import Clock, now
from xenci.config.models import Settings
from xenci.errors import ConfigError
from xenci.gerrit.port import GerritRest
from xenci.gerrit.rest import Rest
from xenci.gerrit.trees import Mirrors
from xenci.host.connection import connect
from xenci.host.port import Host
from xenci.model.change import Account
from xenci.providers.calls import Calls
from xenci.providers.port import Provider
from xenci.providers.registry import open_provider
from xenci.services.errands import Tries
from xenci.services.groups import CiGroups
from xenci.services.hosts import HostCache
from xenci.services.keys import ensure_node_key
from xenci.store.database import Database, open_database

#: opens a connection to a node: address, user, pinned host key, port
Connect = Callable[[str, str, str, int], Host]


@dataclass(slots=True, kw_only=True)
class Context:
    """The world as a step sees it. Tests hand in fakes."""

    settings: Settings
    database: Database
    clock: Clock
    gerrit: GerritRest
    providers: dict[str, Provider]
    connect: Connect
    mirrors: Mirrors
    artifacts: ArtifactStore
    #: public half of the key that nodes let in, `ssh-ed25519 AAAA…`
    public_key: str
    #: what was asked of the clouds and is not written down yet
    calls: Calls = field(default_factory=Calls)
    #: when clouds were last asked for small things
    tries: Tries = field(default_factory=Tries)
    #: connections kept between steps
    hosts: HostCache = field(init=False)
    #: who is a CI
    groups: CiGroups = field(init=False)
    _me: Account | None = None

    def __post_init__(self) -> None:
        self.hosts = HostCache(self.connect)
        self.groups = CiGroups(self.gerrit, self.database, self.clock)

    @property
    def me(self) -> Account:
        """Who we are in Gerrit; asked once. Raises what GerritRest.account() raises."""
        if self._me is None:
            self._me = self.gerrit.account()
        return self._me


def gerrit_password(settings: Settings) -> str:
    """Return the account's HTTP password. Raises ConfigError if its variable is not set."""
    password = os.environ.get(settings.gerrit.password_env, "")
    if not password:
        raise ConfigError(
            f"the environment variable {settings.gerrit.password_env} is not set",
            remedy="put the Gerrit account's HTTP password there (Settings, HTTP Credentials)",
        )
    return password


def build_context(settings: Settings, *, database: Database | None = None) -> Context:
    """Open every door that the settings name."""
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    key = ensure_node_key(settings.node_key)

    calls = Calls()

    def open_host(address: str, user: str, host_key: str, port: int) -> Host:
        return connect(address, user=user, key=settings.node_key, host_key=host_key, port=port)

    return Context(
        settings=settings,
        database=database or open_database(settings),
        clock=now,
        gerrit=Rest(settings.gerrit, gerrit_password(settings)),
        providers={p.name: open_provider(p, system=settings.system, calls=calls) for p in settings.providers},
        connect=open_host,
        # who waits for a mirror waits in the queue, not in a worker's slot
        mirrors=Mirrors(settings.mirrors_dir, patience=timedelta(seconds=2)),
        artifacts=LocalStore(settings.artifacts_dir, settings.artifacts),
        public_key=key,
        calls=calls,
    )


def free_gb(path: Path) -> float:
    """Return the free space in GB where a path lies, or will lie."""
    while not path.exists():
        path = path.parent
    stat = os.statvfs(path)
    return stat.f_bavail * stat.f_frsize / 1e9
