"""What every provider keeps: one suite, run on a small fake and on the lab's real clouds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from xenci.errors import Permanent, Temporary
from xenci.host.keys import host_keys_of_console
from xenci.model.leftover import Kind
from xenci.model.node import Server, Size
from xenci.providers.port import SYSTEM_KEY, ApiDown, Provider, QuotaExceeded, ServerMissing, WrongSetup
from xenci.rules.leaks import keypair_name

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
    #: deletes a server as somebody else would, so that what it had is left over
    abandon: Callable[[str], None]
    image: str = "standin"
    flavor: str = "small"
    zone: str = "nova"
    system: str = "contract"

    def create(
        self, name: str, *, by: Provider | None = None, extra: dict[str, str] | None = None, **values: Any
    ) -> Server:
        """Create a server of a name, with metadata that holds it."""
        wanted: dict[str, Any] = {"image": self.image, "flavor": self.flavor} | values
        metadata = {"xenci_node": name} | (extra or {})
        return (by or self.provider).create(name=name, public_key=PUBLIC_KEY, metadata=metadata, **wanted)

    def listed(self, name: str) -> list[Server]:
        return [server for server in self.provider.list() if server.name == name]


@dataclass(kw_only=True)
class Networked(Cloud):
    """A cloud that has ports, floating IPs and key pairs."""

    #: a provider of the same cloud whose servers get floating IPs
    floating: Provider
    #: makes a marked port that belongs to no server; returns its id
    put_port: Callable[[str], str]


def held(provider: Provider) -> set[tuple[Kind, str]]:
    """Return what there is of ours besides servers."""
    return {(one.kind, one.id) for one in provider.leftovers(set())}


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

    def test_what_is_written_on_a_server_stands_in_the_list_beside_what_was_there(self, cloud: Cloud) -> None:
        made = cloud.create(self.NAMES[0], is_first=True, zone=cloud.zone)
        if made.status != "ACTIVE":
            with pytest.raises(Temporary):
                cloud.provider.mark(made.id, {"xenci_build": "7"})
        cloud.wait(lambda: cloud.listed(self.NAMES[0])[0].status == "ACTIVE")
        cloud.provider.mark(made.id, {"xenci_build": "7"})
        cloud.provider.mark(made.id, {"xenci_build": "8"})
        (listed,) = cloud.listed(self.NAMES[0])
        assert (listed.metadata, listed.zone) == (made.metadata | {"xenci_build": "8"}, cloud.zone)
        assert cloud.create(self.NAMES[0]).id == made.id, "it is found with more metadata, too"
        with pytest.raises(ServerMissing):
            cloud.provider.mark("00000000-0000-0000-0000-000000000000", {"xenci_build": "7"})

    def test_a_size_means_the_smallest_flavor_that_has_it(self, cloud: Cloud) -> None:
        made = cloud.create(self.NAMES[0], flavor=Size(ram_gb=0.5, vcpus=1), extra=BROKEN, zone=cloud.zone)
        cloud.wait(lambda: cloud.listed(self.NAMES[0])[0].status == "ERROR")
        assert made.metadata["xenci_node"] == self.NAMES[0]
        with pytest.raises(WrongSetup) as caught:
            cloud.create(self.NAMES[1], flavor=Size(ram_gb=4000, vcpus=1))
        assert "no flavor of this size" in caught.value.sentence
        assert cloud.listed(self.NAMES[1]) == []

    def test_a_snapshot_of_a_server_is_an_image_of_ours_until_it_is_deleted(self, cloud: Cloud) -> None:
        made = cloud.create(self.NAMES[0])
        cloud.wait(lambda: cloud.listed(self.NAMES[0])[0].status == "ACTIVE")
        image = cloud.provider.snapshot(made.id, name="contract-snapshot", properties={"xenci_try": "1"})
        assert cloud.provider.snapshot(made.id, name="contract-snapshot", properties={"xenci_try": "1"}).id == image.id
        cloud.wait(lambda: [one.status for one in cloud.provider.images()] == ["active"])
        (listed,) = cloud.provider.images()
        assert (listed.id, listed.name) == (image.id, "contract-snapshot")
        assert listed.properties.items() >= {"xenci_try": "1", SYSTEM_KEY: cloud.system}.items()
        assert cloud.other.images() == []
        assert (Kind.IMAGE, image.id) in held(cloud.provider)
        cloud.provider.delete_image(image.id)
        cloud.wait(lambda: not cloud.provider.images())
        cloud.provider.delete_image(image.id)
        with pytest.raises(ServerMissing):
            cloud.provider.snapshot("00000000-0000-0000-0000-000000000000", name="none", properties={})

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


class NetworkedContract(ProviderContract):
    """What a cloud keeps besides, as it holds more of a server than the server."""

    def test_a_zone_that_the_cloud_does_not_have_is_told_with_the_one_that_is_near(self, cloud: Networked) -> None:
        with pytest.raises(WrongSetup) as caught:
            cloud.create(self.NAMES[0], zone=f"{cloud.zone}x")
        assert "no availability zone of this name" in caught.value.sentence
        assert f"did you mean '{cloud.zone}'" in caught.value.remedy
        assert cloud.listed(self.NAMES[0]) == []

    def test_a_floating_ip_is_given_once_and_goes_with_its_server(self, cloud: Networked) -> None:
        made = cloud.create(self.NAMES[0], by=cloud.floating)
        cloud.wait(lambda: cloud.listed(self.NAMES[0])[0].status == "ACTIVE")
        for _ in range(2):
            cloud.floating.give_address(made.id)
        cloud.wait(lambda: bool(next(s for s in cloud.floating.list() if s.id == made.id).address))
        ips = [one for one in cloud.floating.leftovers(set()) if one.kind is Kind.FLOATING_IP]
        assert [one.server_id for one in ips] == [made.id]
        assert not [key for key in held(cloud.other) if key[0] is Kind.FLOATING_IP]
        cloud.floating.delete(made.id)
        cloud.wait(lambda: not [key for key in held(cloud.floating) if key[0] is Kind.FLOATING_IP])

    def test_an_image_is_made_of_a_server_once_and_a_server_of_the_image(self, cloud: Networked) -> None:
        made = cloud.create(self.NAMES[0])
        cloud.wait(lambda: cloud.listed(self.NAMES[0])[0].status == "ACTIVE")
        image = cloud.provider.snapshot(made.id, name="contract-snapshot", properties={"xenci_label": "small"})
        assert cloud.provider.snapshot(made.id, name=image.name, properties={"xenci_label": "small"}).id == image.id
        cloud.wait(lambda: [one.status for one in cloud.provider.images()] == ["active"])
        (active,) = cloud.provider.images()
        assert (active.id, active.name) == (image.id, "contract-snapshot")
        assert active.properties.items() >= {"xenci_label": "small", SYSTEM_KEY: cloud.system}.items()
        assert not cloud.other.images()
        with pytest.raises(ServerMissing):
            cloud.provider.snapshot("00000000-0000-0000-0000-000000000000", name="none", properties={})
        cloud.create(self.NAMES[1], image=image.name)
        cloud.wait(lambda: cloud.listed(self.NAMES[1])[0].status == "ACTIVE")
        assert (Kind.IMAGE, image.id) in held(cloud.provider)
        for _ in range(2):
            cloud.provider.delete_image(image.id)
        cloud.wait(lambda: not cloud.provider.images())

    def test_what_is_left_of_a_server_is_told_and_can_be_deleted(self, cloud: Networked) -> None:
        made = cloud.create(self.NAMES[0], by=cloud.floating)
        cloud.wait(lambda: cloud.listed(self.NAMES[0])[0].status == "ACTIVE")
        cloud.floating.give_address(made.id)
        port = cloud.put_port(made.id)
        cloud.abandon(made.id)
        cloud.wait(lambda: not cloud.listed(self.NAMES[0]))
        left = {one.kind: one for one in cloud.provider.leftovers(set())}
        assert left[Kind.PORT].id == port
        assert left[Kind.FLOATING_IP].server_id == made.id
        assert left[Kind.KEYPAIR].id == keypair_name(cloud.system, PUBLIC_KEY)
        assert not held(cloud.other) & {(one.kind, one.id) for one in left.values()}
        for one in left.values():
            cloud.provider.delete_leftover(one)
            cloud.provider.delete_leftover(one)
        assert held(cloud.provider) == set()
