"""Finds images, flavors, networks, groups and zones by the names that the configuration uses, flavors by size too.

A name that is not there is the commonest mistake of an installation, so the error says what is there and which name is
near. What was found is remembered for a minute: twenty-five servers at once ask once.
"""

import difflib
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from xenci.clock import Clock
from xenci.config.models import Provider as ProviderSettings
from xenci.model.node import Size
from xenci.providers.port import WrongSetup

#: for so long a name stands for the same thing
_REMEMBERED = timedelta(minutes=1)
#: as many names are told in an error
_TOLD = 12


class Names:
    """The names of one provider; `cloud` is an openstacksdk connection."""

    def __init__(self, settings: ProviderSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._known: dict[tuple[str, str], tuple[datetime, str]] = {}

    def image(self, cloud: Any, name: str) -> str:
        """Return the id of the newest active image of this name. Raises WrongSetup."""

        def find() -> Iterable[Any]:
            # by the name alone at first: a public cloud has hundreds
            found = list(cloud.image.images(name=name)) or list(cloud.image.images())
            return sorted((i for i in found if i.status == "active"), key=lambda i: str(i.created_at), reverse=True)

        return self._id("image", name, find)

    def flavor(self, cloud: Any, wanted: str | Size) -> str:
        """Return the id of a flavor, or of the smallest that has a size. Raises WrongSetup."""
        if isinstance(wanted, str):
            return self._id("flavor", wanted, lambda: cloud.compute.flavors(details=True))
        return self._remembered("size", str(wanted), lambda: self._of_size(cloud, wanted))

    def network(self, cloud: Any) -> str:
        """Return the id of the provider's network. Raises WrongSetup."""
        return self._network(cloud, self._settings.network)

    def networks(self, cloud: Any) -> list[str]:
        """Return the ids of all networks of a server, first that by which it is reached. Raises WrongSetup."""
        return [self._network(cloud, name) for name in (self._settings.network, *self._settings.more_networks)]

    def floating_network(self, cloud: Any) -> str:
        """Return the id of the network of the floating IPs. Raises WrongSetup."""
        return self._network(cloud, self._settings.floating_network or "")

    def zone(self, cloud: Any, name: str) -> str:
        """Return an availability zone's name, if there is one. Raises WrongSetup."""
        return self._id("availability zone", name, cloud.compute.availability_zones)

    def group(self, cloud: Any, name: str) -> str:
        """Return a security group's id. Raises WrongSetup."""
        return self._id("security group", name, cloud.network.security_groups)

    def check(self, cloud: Any) -> None:
        """Raise WrongSetup with every name of the configuration that the cloud does not have."""
        self.forget()
        settings = self._settings
        wants: list[tuple[Callable[..., str], str | Size]] = [
            (self._network, name) for name in (settings.network, *settings.more_networks)
        ]
        if settings.floating_network is not None:
            wants.append((self._network, settings.floating_network))
        wants += [(self.image, name) for name in sorted({label.image for label in settings.labels})]
        wants += [(self.flavor, size) for size in sorted({label.size for label in settings.labels}, key=str)]
        wants += [(self.group, name) for name in settings.security_groups]
        wants += [(self.zone, name) for name in settings.availability_zones]
        wrong: list[WrongSetup] = []
        for want, wanted in wants:
            try:
                want(cloud, wanted)
            except WrongSetup as error:
                wrong.append(error)
        if len(wrong) == 1:
            raise wrong[0]
        if wrong:
            raise WrongSetup(
                "; ".join(error.sentence for error in wrong), brief=f"Provider {self._settings.name} is not set up"
            )

    def forget(self) -> None:
        """Look everything up anew."""
        self._known.clear()

    def _network(self, cloud: Any, name: str) -> str:
        return self._id("network", name, cloud.network.networks)

    def _of_size(self, cloud: Any, size: Size) -> str:
        there = sorted(cloud.compute.flavors(details=True), key=lambda f: (f.ram, f.vcpus, f.disk, str(f.name)))
        fitting = [f for f in there if f.ram >= size.ram_gb * 1024 and f.vcpus >= size.vcpus and not f.is_disabled]
        if not fitting:
            told = ", ".join(f"{f.name} ({f.ram / 1024:g} GB, {f.vcpus} vCPU)" for f in there[-_TOLD:])
            raise WrongSetup(
                f"provider {self._settings.name}, cloud {self._settings.cloud}: {size}",
                brief="The cloud has no flavor of this size",
                remedy=f"ask for less; the largest that the cloud has are {told or 'none'}",
            )
        return str(fitting[0].id)

    def _id(self, kind: str, name: str, find: Callable[[], Iterable[Any]]) -> str:
        return self._remembered(kind, name, lambda: self._find(kind, name, find))

    def _remembered(self, kind: str, name: str, find: Callable[[], str]) -> str:
        at = self._clock()
        known = self._known.get((kind, name))
        if known is None or at - known[0] >= _REMEMBERED:
            known = self._known[kind, name] = (at, find())
        return known[1]

    def _find(self, kind: str, name: str, find: Callable[[], Iterable[Any]]) -> str:
        # what has no id (a zone) is its name
        found = [(str(thing.name), str(thing.id or thing.name)) for thing in find()]
        one = next((id_ for other, id_ in found if other == name), None)
        if one is None:
            raise self._missing(kind, name, sorted({other for other, _ in found}))
        return one

    def _missing(self, kind: str, name: str, there: list[str]) -> WrongSetup:
        near = difflib.get_close_matches(name, there, n=1, cutoff=0.4)
        told = ", ".join(there[:_TOLD]) + (" .." if len(there) > _TOLD else "")
        hint = f"did you mean {near[0]!r}? " if near else ""
        return WrongSetup(
            f"provider {self._settings.name}, cloud {self._settings.cloud}: {name!r}",
            brief=f"The cloud has no {kind} of this name",
            remedy=f"{hint}the cloud has {told or 'none'}",
        )
