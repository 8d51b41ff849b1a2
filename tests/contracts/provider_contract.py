"""What every provider keeps: one suite, run on a small fake and on the lab's real clouds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import pytest

from xenci.errors import Permanent
from xenci.host.keys import host_keys_of_console
from xenci.model.node import Server
from xenci.providers.port import SYSTEM_KEY, ApiDown, Provider, QuotaExceeded, ServerMissing, WrongSetup

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHb4m/0y7WdV5jnX8m1y3F1bRtp2n6w1mB5rC9i8x0aQ"

#: metadata of a server that the lab's clouds do not manage to build: it costs nothing
BROKEN = {"lab_fault": "spawn"}


@dataclass(kw_only=True)
class Cloud:
    """A provider, and what a test needs to do to its world."""

    provider: Provider
    #: the same cloud as another installation sees it
    other: Provider
    #: a provider whose password is wrong, and one whose cloud does not answer
    refused: Provider
    silent: Provider
    #: sets how many servers the project may have
    set_quota: Callable[[int], None]
    #: waits until a condition holds, the cloud moving on
    wait: Callable[[Callable[[], bool]], None]
    image: str = "standin"
    flavor: str = "small"
    system: str = "contract"

    def create(
        self, name: str, *, by: Provider | None = None, extra: dict[str, str] | None = None, **values: str
    ) -> Server:
        """Create a server of a name, with metadata that holds it."""
        wanted = {"image": self.image, "flavor": self.flavor} | values
        metadata = {"xenci_node": name} | (extra or {})
        return (by or self.provider).create(name=name, public_key=PUBLIC_KEY, metadata=metadata, **wanted)

    def listed(self, name: str) -> list[Server]:
        return [server for server in self.provider.list() if server.name == name]


class ProviderContract:
    """Subclasses give the fixture `cloud`."""

    NAMES: ClassVar = ("contract-node-000001", "contract-node-000002")

    def test_a_server_lives_from_create_to_delete(self, cloud: Cloud) -> None:
        name = self.NAMES[0]
        made = cloud.create(name)
        assert (made.name, made.provider) == (name, cloud.provider.name)
        assert made.metadata == {"xenci_node": name, SYSTEM_KEY: cloud.system}
        assert cloud.create(name).id == made.id, "the same name and metadata are the same server"
        assert [server.id for server in cloud.listed(name)] == [made.id]
        assert [s.id for s in cloud.other.list()] == [], "another installation does not see it"

        cloud.wait(lambda: cloud.listed(name)[0].status == "ACTIVE")
        (active,) = cloud.listed(name)
        assert active.address
        assert active.metadata == made.metadata
        assert abs((active.created_at - made.created_at).total_seconds()) < 60
        cloud.wait(lambda: bool(host_keys_of_console(cloud.provider.console(made.id))))

        cloud.provider.delete(made.id)
        cloud.wait(lambda: not cloud.listed(name))
        cloud.provider.delete(made.id)
        with pytest.raises(ServerMissing):
            cloud.provider.console(made.id)

    def test_a_server_that_fails_says_why(self, cloud: Cloud) -> None:
        cloud.create(self.NAMES[0], extra=BROKEN)
        cloud.wait(lambda: cloud.listed(self.NAMES[0])[0].status == "ERROR")
        assert "spawn" in cloud.listed(self.NAMES[0])[0].fault

    def test_the_same_name_with_other_metadata_or_of_another_installation_is_another_server(self, cloud: Cloud) -> None:
        name = self.NAMES[0]
        first = cloud.create(name, extra=BROKEN | {"xenci_made_at": "then"})
        second = cloud.create(name, extra=BROKEN | {"xenci_made_at": "now"})
        theirs = cloud.create(name, extra=BROKEN | {"xenci_made_at": "now"}, by=cloud.other)
        assert len({first.id, second.id, theirs.id}) == 3
        assert {server.id for server in cloud.provider.list()} == {first.id, second.id}
        assert [server.id for server in cloud.other.list()] == [theirs.id]

    def test_a_full_quota_is_told_as_such(self, cloud: Cloud) -> None:
        cloud.set_quota(1)
        cloud.create(self.NAMES[0], extra=BROKEN)
        cloud.wait(lambda: cloud.provider.limits().servers_used == 1)
        assert cloud.provider.limits().servers == 1
        with pytest.raises(QuotaExceeded):
            cloud.create(self.NAMES[1], extra=BROKEN)
        assert cloud.listed(self.NAMES[1]) == []

    @pytest.mark.parametrize("what", ["image", "flavor"])
    def test_a_name_that_the_cloud_does_not_have_is_told_with_the_one_that_is_near(
        self, cloud: Cloud, what: str
    ) -> None:
        there = getattr(cloud, what)
        with pytest.raises(WrongSetup) as caught:
            cloud.create(self.NAMES[0], **{what: f"{there}x"})
        assert f"no {what} of this name" in caught.value.sentence
        assert f"did you mean '{there}'" in caught.value.remedy
        assert cloud.listed(self.NAMES[0]) == []

    def test_what_the_configuration_names_is_there(self, cloud: Cloud) -> None:
        cloud.provider.check()

    def test_a_wrong_password_is_a_mistake_with_a_remedy(self, cloud: Cloud) -> None:
        with pytest.raises(Permanent) as caught:
            cloud.refused.list()
        assert isinstance(caught.value, WrongSetup)
        assert caught.value.remedy

    def test_a_cloud_that_does_not_answer_is_down_for_now(self, cloud: Cloud) -> None:
        with pytest.raises(ApiDown):
            cloud.silent.list()
