"""The drivers that there are: one grep finds them all."""

from xenci.config.models import Provider as ProviderSettings
from xenci.providers import libvirt, openstack
from xenci.providers.calls import Calls
from xenci.providers.port import Driver, Provider

DRIVERS: dict[str, Driver] = {"openstack": openstack, "libvirt": libvirt}


def open_provider(settings: ProviderSettings, *, system: str, calls: Calls | None = None) -> Provider:
    """Return the provider that the settings mean, for the installation named `system`; calls no cloud yet.

    What it asks is counted in `calls`.
    """
    return DRIVERS[settings.driver].open_provider(settings, system=system, calls=calls or Calls())
