"""Finds images, flavors, networks and security groups by the names that the configuration uses.

A name that is not there is the commonest mistake of an installation, so the error says what is there and which name is
near. What was found is remembered for a minute: twenty-five servers at once ask once.
"""

import difflib
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from xenci.clock import Clock
from xenci.config.models import Provider as ProviderSettings
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

    def flavor(self, cloud: Any, name: str) -> str:
        """Return a flavor's id. Raises WrongSetup."""
        return self._id("flavor", name, lambda: cloud.compute.flavors(details=True))

    def network(self, cloud: Any) -> str:
        """Return the id of the provider's network. Raises WrongSetup."""
        return self._id("network", self._settings.network, cloud.network.networks)

    def group(self, cloud: Any, name: str) -> str:
        """Return a security group's id. Raises WrongSetup."""
        return self._id("security group", name, cloud.network.security_groups)

    def check(self, cloud: Any) -> None:
        """Raise WrongSetup with every name of the configuration that the cloud does not have."""
        self.forget()
        wants: list[tuple[Callable[..., str], tuple[str, ...]]] = [(self.network, ())]
        wants += [(self.image, (name,)) for name in sorted({label.image for label in self._settings.labels})]
        wants += [(self.flavor, (name,)) for name in sorted({label.flavor for label in self._settings.labels})]
        wants += [(self.group, (name,)) for name in self._settings.security_groups]
        wrong: list[WrongSetup] = []
        for want, arguments in wants:
            try:
                want(cloud, *arguments)
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

    def _id(self, kind: str, name: str, find: Callable[[], Iterable[Any]]) -> str:
        at = self._clock()
        known = self._known.get((kind, name))
        if known is not None and at - known[0] < _REMEMBERED:
            return known[1]
        found = [(str(thing.name), str(thing.id)) for thing in find()]
        one = next((id_ for other, id_ in found if other == name), None)
        if one is None:
            raise self._missing(kind, name, sorted({other for other, _ in found}))
        self._known[kind, name] = (at, one)
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
