"""What a driver of a cloud offers, and the errors that it may raise.

The port is tiny so that one contract suite runs on a small fake and on a real cloud. Ownership is written as metadata
on the server: everything of ours can be found again from the cloud's list alone.
"""

from dataclasses import dataclass
from typing import Protocol, TypeAlias

from xenci.config.models import Provider as ProviderSettings
from xenci.errors import Permanent, Temporary
from xenci.model.node import Server

#: what `list` returns: a class with a method of that name cannot spell it
Servers: TypeAlias = list[Server]
#: metadata key of every server: the name of the installation that owns it
SYSTEM_KEY = "xenci_system"


class QuotaExceeded(Temporary):
    """The quota of the cloud is full."""


class NoCapacity(Temporary):
    """The cloud has no room for another server."""


class ApiDown(Temporary):
    """The cloud does not answer as it should."""


class ServerMissing(Temporary):
    """The cloud has no such server."""


class WrongSetup(Permanent):
    """The cloud does not have what the configuration names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The quota of the project and what is used of it; None where the cloud names no limit."""

    servers: int | None
    servers_used: int
    cores: int | None
    cores_used: int
    ram_mb: int | None
    ram_mb_used: int


class Provider(Protocol):
    """One region of one cloud. Every call is bounded by the provider's `api_timeout` and may come from any thread.

    Every method raises ApiDown (Temporary) or WrongSetup (Permanent).
    """

    @property
    def name(self) -> str:
        """The provider's name in the configuration."""

    def create(self, *, name: str, image: str, flavor: str, public_key: str, metadata: dict[str, str]) -> Server:
        """Ask for a server and return it, most likely with status BUILD and without an address.

        Looks first: a server of ours with this name and all of this metadata is returned instead. The driver adds the
        owner to the metadata. Raises QuotaExceeded and NoCapacity besides.
        """

    def list(self) -> Servers:
        """Return all servers of ours, whatever their status; of nobody else."""

    def delete(self, server_id: str) -> None:
        """Ask the cloud to delete a server; harmless if it is gone."""

    def console(self, server_id: str) -> str:
        """Return the end of the server's console log, empty if there is none yet. Raises ServerMissing."""

    def limits(self) -> Limits:
        """Return the quota and its use."""

    def check(self) -> None:
        """Raise WrongSetup with all that the configuration names and the cloud does not have."""


class Driver(Protocol):
    """A module that knows one kind of cloud."""

    def open_provider(self, settings: ProviderSettings, *, system: str) -> Provider:
        """Return the provider; the cloud is not called before it is needed."""
