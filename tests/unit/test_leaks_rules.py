"""What is a leak and when it may go, where servers go, and what a server alone tells of its node."""

from datetime import UTC, datetime, timedelta

import pytest

from xenci.model.leftover import Kind, Leftover
from xenci.model.node import LaunchFailure, Server
from xenci.rules.leaks import GRACE, Known, is_to_be_deleted, keypair_name, unaccounted
from xenci.rules.nodes import BUILD_KEY, metadata_of
from xenci.rules.owned import owned
from xenci.rules.zones import SHUNNED, Placed, next_zone

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
KNOWN = Known(servers={"s1"}, keypair="xenci-lab-1", images={"i1"}, image_names={"xen"})


def thing(kind: Kind, **values: object) -> Leftover:
    return Leftover(**{"kind": kind, "id": "x", "name": "", "created_at": AT - timedelta(days=1)} | values)


@pytest.mark.parametrize(
    ("one", "is_leak"),
    [
        (thing(Kind.PORT, server_id="s1"), False),
        (thing(Kind.PORT, server_id="s2"), True),
        (thing(Kind.FLOATING_IP), True),
        (thing(Kind.VOLUME, server_id="s1"), False),
        (thing(Kind.KEYPAIR, id="xenci-lab-1"), False),
        (thing(Kind.KEYPAIR, id="xenci-lab-2"), True),
        (thing(Kind.IMAGE, id="i1"), False),
        (thing(Kind.IMAGE, name="xen"), False),
        (thing(Kind.IMAGE, id="s1"), True),
    ],
)
def test_what_a_row_or_the_configuration_accounts_for_is_no_leak(one: Leftover, is_leak: bool) -> None:
    assert unaccounted([one], KNOWN) == ([one] if is_leak else [])


@pytest.mark.parametrize("kind", Kind)
def test_a_leak_is_left_alone_until_it_was_seen_twice_and_is_old_enough(kind: Kind) -> None:
    grace = GRACE[kind]

    def goes(*, age: timedelta = 2 * grace, seen: timedelta = grace, times: int = 2) -> bool:
        one = thing(kind, created_at=AT - age)
        return is_to_be_deleted(one, first_seen_at=AT - seen, times=times, at=AT)

    assert goes()
    assert not goes(times=1)
    assert not goes(seen=grace / 2)
    assert not goes(age=grace / 2)


def test_another_key_or_system_is_another_key_pair() -> None:
    names = {keypair_name(system, key) for system in ("lab", "lab.2") for key in ("one", "two")}
    assert len(names) == 4
    assert not any("." in name for name in names), "older Novas refuse it"


def placed(zone: str, minutes: int, **values: object) -> Placed:
    return Placed(**{"zone": zone, "is_live": True, "created_at": AT - minutes * MINUTE} | values)


def test_servers_are_spread_over_the_zones() -> None:
    assert next_zone((), [], AT) is None
    nodes: list[Placed] = []
    for minute in range(9, 0, -1):
        zone = next_zone(("a", "b", "c"), nodes, AT)
        nodes.append(placed(zone or "", minute))
    assert [node.zone for node in nodes] == ["a", "b", "c"] * 3
    assert next_zone(("a", "b"), [placed("a", 2), placed("gone", 1)], AT) == "b"
    assert next_zone(("a", "b"), [placed("a", 2), placed("b", 1, is_live=False)], AT) == "b"


def test_a_zone_without_room_is_left_alone_for_a_while() -> None:
    failed = {"is_live": False, "failure": LaunchFailure.CAPACITY}
    nodes = [placed("a", 5, failed_at=AT - MINUTE, **failed), placed("b", 4)]
    assert next_zone(("a", "b"), nodes, AT) == "b"
    assert next_zone(("a", "b"), nodes, AT + SHUNNED) == "a"


def test_a_server_tells_its_node_and_its_build() -> None:
    metadata = metadata_of("lab-node-000012", AT, "xen") | {BUILD_KEY: "7"}
    common = {"provider": "ca", "id": "s", "name": "n", "status": "ACTIVE", "address": None, "created_at": AT}
    told = owned(Server(**common | {"metadata": metadata}))
    assert (told.name, told.number, told.label, told.build, told.made_at) == ("lab-node-000012", 12, "xen", 7, AT)


def test_spoiled_metadata_reads_as_nothing() -> None:
    common = {"provider": "ca", "id": "s", "name": "n", "status": "ACTIVE", "address": None, "created_at": AT}
    told = owned(Server(**common | {"metadata": {BUILD_KEY: "seven", "xenci_made_at": "then"}}))
    assert (told.name, told.number, told.label, told.build, told.made_at) == ("", None, "", None, None)
