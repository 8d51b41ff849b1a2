"""What a driver of a cloud offers, and the errors that it may raise.

The port is small so that one contract suite runs on a small fake and on a real cloud. Ownership is written on the
things themselves: everything of ours can be found again from the cloud's lists alone.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from xenci.config.models import Provider as ProviderSettings
from xenci.errors import Permanent, Temporary, XenciError
from xenci.model.leftover import Image, Kind, Leftover
from xenci.model.node import Server, Size
from xenci.providers.calls import Calls

#: what the lists return: a class with a method `list` cannot spell it
Servers: TypeAlias = list[Server]
Images: TypeAlias = list[Image]
Leftovers: TypeAlias = list[Leftover]
#: metadata key of all that is ours: the name of the installation that owns it
SYSTEM_KEY = "xenci_system"
#: property of a snapshot of ours: its own name, lest a snapshot of a server made from it passes for ours as well
IMAGE_KEY = "xenci_image"


class QuotaExceeded(Temporary):
    """The quota of the cloud is full."""


class NoCapacity(Temporary):
    """The cloud has no room for another server."""


class ApiDown(Temporary):
    """The cloud does not answer as it should."""


class NotAllListed(Temporary):
    """Not everything of ours can be listed. It carries what could be."""

    def __init__(self, things: list[Leftover], failures: Mapping[Kind, XenciError]) -> None:
        self.things = things
        #: what each kind that could not be listed met
        self.failures = failures
        remedy = next((error.remedy for error in failures.values() if error.remedy), "")
        super().__init__("; ".join(f"{kind}: {error.sentence}" for kind, error in failures.items()), remedy=remedy)


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

    def create(
        self,
        *,
        name: str,
        image: str,
        flavor: str | Size,
        public_key: str,
        metadata: dict[str, str],
        zone: str | None = None,
        is_first: bool = False,
    ) -> Server:
        """Ask for a server and return it, most likely with status BUILD and without an address.

        Looks first: a server of ours with this name and all of this metadata is returned instead. `is_first` says that
        nobody has asked for it before, which saves the look. The driver adds the owner to the metadata. A size means
        the smallest flavor that has it. Raises QuotaExceeded and NoCapacity besides.
        """

    def list(self) -> Servers:
        """Return all servers of ours, whatever their status; of nobody else."""

    def mark(self, server_id: str, metadata: dict[str, str]) -> None:
        """Write more metadata on a server. Raises ServerMissing, and Temporary while it is not ACTIVE."""

    def give_address(self, server_id: str) -> None:
        """Give an ACTIVE server its floating IP, where the provider has a floating network; harmless if it has one.

        Raises QuotaExceeded and NoCapacity besides.
        """

    def delete(self, server_id: str) -> None:
        """Ask the cloud to delete a server and its floating IPs; harmless if they are gone."""

    def console(self, server_id: str) -> str:
        """Return the end of the server's console log, empty if there is none yet. Raises ServerMissing."""

    def limits(self) -> Limits:
        """Return the quota and its use."""

    def snapshot(self, server_id: str, *, name: str, properties: dict[str, str]) -> Image:
        """Ask for an image of a server's disk and return it, most likely `queued`; to wait is left to the caller.

        Looks first: an image of ours with this name and all of these properties is returned instead. The driver adds
        the owner to the properties. A renamed image is no longer ours. Raises ServerMissing.
        """

    def images(self) -> Images:
        """Return the snapshots of ours, whatever their status; of nobody else."""

    def delete_image(self, image_id: str) -> None:
        """Delete an image; harmless if it is gone."""

    def leftovers(self, servers: Set[str]) -> Leftovers:
        """Return what carries our system id besides servers, in use or not; of nobody else.

        A port carries it if it is marked with it, or if it was made for one of `servers`: ids of ours, past ones too.
        Raises NotAllListed besides, with what was listed, while a service of the cloud does not answer.
        """

    def delete_leftover(self, leftover: Leftover) -> None:
        """Delete what `leftovers` told; harmless if it is gone."""

    def check(self) -> None:
        """Raise WrongSetup with all that the configuration names and the cloud does not have."""


class Driver(Protocol):
    """A module that knows one kind of cloud."""

    def open_provider(self, settings: ProviderSettings, *, system: str, calls: Calls) -> Provider:
        """Return the provider, which counts in `calls` what it asks; the cloud is not called before it is needed."""
