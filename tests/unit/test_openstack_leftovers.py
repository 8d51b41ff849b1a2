"""The OpenStack driver lists what is left over kind by kind, so that one service that is down hides no other's."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.test_providers_errors import http
from xenci.config.models import Provider as ProviderSettings
from xenci.model.leftover import Kind
from xenci.providers import openstack
from xenci.providers.calls import Calls
from xenci.providers.port import ApiDown, NotAllListed


def _down(**_: Any) -> Iterator[Any]:
    raise http(503, "neutron is down")
    yield


def _cloud() -> Any:
    """Return a connection whose list of ports fails, and which has a key pair of ours."""
    pair = SimpleNamespace(name="pair", public_key="ssh-ed25519 AAAA xenci_system=test")
    return SimpleNamespace(
        current_project_id="p",
        network=SimpleNamespace(ports=_down, ips=lambda: []),
        compute=SimpleNamespace(keypairs=lambda: [pair]),
        image=SimpleNamespace(images=lambda owner: []),
        has_service=lambda name: False,
    )


def test_a_service_that_is_down_hides_nothing_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openstack, "connect", lambda *_: _cloud())
    settings = ProviderSettings(name="ca", cloud="ca", failure_domain="ca", network="lab", max_servers=1, labels=())
    with pytest.raises(NotAllListed) as told:
        openstack.open_provider(settings, system="test", calls=Calls()).leftovers(set())
    assert [(one.kind, one.id) for one in told.value.things] == [(Kind.KEYPAIR, "pair")]
    assert {kind: type(error) for kind, error in told.value.failures.items()} == {Kind.PORT: ApiDown}
    assert "provider ca, leftovers of kind port: neutron is down" in told.value.sentence
