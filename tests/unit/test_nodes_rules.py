"""What a cloud's list means for nodes, when a launch is late, and what needs a person."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xenci.model.node import LaunchFailure, NodeState, Server
from xenci.rules.breaker import Ending, Standing, standing
from xenci.rules.nodes import (
    SETTLED,
    Deadlines,
    Failed,
    Gone,
    Lost,
    Missing,
    Node,
    Seen,
    Stray,
    compare,
    console_pause,
    failure_of,
    lateness,
    metadata_of,
    server_name,
)
from xenci.rules.pool_alarms import Alarm, Cloud, LabelFacts, alarms

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LIMITS = Deadlines(boot=MINUTE, ssh=2 * MINUTE, xen=3 * MINUTE)


def node(number: int = 1, state: NodeState = NodeState.READY, **values: object) -> Node:
    name = server_name("lab", number)
    common = {"id": number, "name": name, "label": "xen", "provider": "ca", "created_at": AT, "state_at": AT}
    return Node(**common | {"state": state, "server_id": f"s{number}"} | values)


def server(number: int = 1, status: str = "ACTIVE", made_at: datetime = AT, **values: object) -> Server:
    name = server_name("lab", number)
    common = {"provider": "ca", "id": f"s{number}", "name": name, "address": "10.0.0.1", "created_at": made_at}
    return Server(**common | {"status": status, "metadata": metadata_of(name, made_at, "xen")} | values)


def look(nodes: list[Node], servers: list[Server], before: dict[int, str | None] | None = None) -> list[object]:
    known = {one.id: one.server_id for one in nodes} if before is None else before
    return list(compare(before=known, servers=servers, nodes=nodes, at=AT))


def test_the_server_of_a_node_whose_id_we_never_learned_is_found_by_its_metadata() -> None:
    assert look([node(state=NodeState.BUILDING, server_id=None)], [server()]) == [Seen(node=1, server=server())]


def test_the_server_of_another_databases_node_of_the_same_name_is_a_stray() -> None:
    other = server(made_at=AT - MINUTE)
    assert look([node(state=NodeState.BUILDING, server_id=None)], [other]) == [Stray(server=other)]


def test_of_two_servers_made_for_one_node_the_second_is_a_stray() -> None:
    twin = server(id="twin", created_at=AT + MINUTE)
    found = look([node(state=NodeState.BUILDING, server_id=None)], [twin, server()])
    assert found == [Seen(node=1, server=server()), Stray(server=twin)]


def test_a_server_that_is_missing_once_is_not_given_up() -> None:
    assert look([node()], []) == [Missing(node=1)]


def test_a_server_that_is_missing_twice_has_vanished() -> None:
    found = look([node(missing_at=AT - MINUTE)], [])
    assert found == [Gone(node=1, reason="the server vanished from ca: not deleted by us")]


def test_a_server_that_was_learned_of_after_the_list_was_asked_for_is_not_missing() -> None:
    assert look([node()], [], before={1: None}) == []
    assert look([node()], [], before={}) == []


def test_a_deleted_server_that_is_listed_no_more_is_gone() -> None:
    assert look([node(state=NodeState.DELETING)], []) == [Gone(node=1)]


def test_a_create_call_that_we_lost_sight_of_is_waited_for() -> None:
    nobody = node(state=NodeState.DELETING, server_id=None)
    assert look([nobody], []) == []
    assert look([node(state=NodeState.DELETING, server_id=None, state_at=AT - SETTLED - MINUTE)], []) == [Gone(node=1)]


@pytest.mark.parametrize("status", ["DELETED", "SOFT_DELETED"])
def test_a_server_that_somebody_deleted_is_told_alike_whether_it_is_still_listed_or_not(status: str) -> None:
    (listed,) = look([node()], [server(status=status)])
    (gone,) = look([node(missing_at=AT - MINUTE)], [])
    assert (type(listed), type(gone)) == (Lost, Gone)
    assert listed.reason == gone.reason == "the server vanished from ca: not deleted by us"


@pytest.mark.parametrize("status", ["ERROR", "SHUTOFF"])
def test_a_machine_that_runs_no_more_is_a_loss(status: str) -> None:
    for state in (NodeState.READY, NodeState.IN_USE):
        assert look([node(state=state)], [server(status=status)]) == [Lost(node=1, reason=f"the server is {status}")]


def test_a_held_node_is_left_alone_whatever_its_server_does() -> None:
    down = server(status="SHUTOFF")
    assert look([node(state=NodeState.HOLD)], [down]) == [Seen(node=1, server=down)]


def test_a_server_in_error_is_a_failed_launch_with_the_clouds_words() -> None:
    down = server(status="ERROR", fault="No valid host was found.")
    words = "the server is ERROR: No valid host was found."
    assert look([node(state=NodeState.BUILDING)], [down]) == [
        Failed(node=1, failure=LaunchFailure.CAPACITY, reason=words)
    ]


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        ("No valid host was found. ", LaunchFailure.CAPACITY),
        ("Quota exceeded for instances: Requested 1, but already used 1 of 1 instances", LaunchFailure.QUOTA),
        ("Build of instance 1 aborted: lab_fault=spawn", LaunchFailure.BOOT),
        ("", LaunchFailure.BOOT),
    ],
)
def test_the_clouds_words_tell_the_kind_of_failure(fault: str, failure: LaunchFailure) -> None:
    assert failure_of(fault) is failure


@pytest.mark.parametrize(
    ("values", "failure"),
    [
        ({}, LaunchFailure.BOOT),
        ({"no_address": LaunchFailure.NETWORK}, LaunchFailure.NETWORK),
        ({"no_address": LaunchFailure.QUOTA}, LaunchFailure.QUOTA),
        ({"active_at": AT}, LaunchFailure.SSH),
        ({"active_at": AT, "ssh_at": AT, "state": NodeState.TESTING}, LaunchFailure.XEN),
    ],
)
def test_each_part_of_a_launch_has_its_own_deadline(values: dict[str, object], failure: LaunchFailure) -> None:
    one = node(**{"state": NodeState.BUILDING, "reason": "waits"} | values)
    limit = {LaunchFailure.SSH: LIMITS.ssh, LaunchFailure.XEN: LIMITS.xen}.get(failure, LIMITS.boot)
    assert lateness(one, LIMITS, AT + limit) is None
    late = lateness(one, LIMITS, AT + limit + timedelta(seconds=1))
    assert late is not None
    assert late.failure is failure
    assert late.reason.endswith("last: waits")


@pytest.mark.parametrize("state", sorted(set(NodeState) - {NodeState.BUILDING, NodeState.TESTING}))
def test_a_node_that_is_not_being_launched_is_never_late(state: NodeState) -> None:
    assert lateness(node(state=state), LIMITS, AT + timedelta(days=9)) is None


STATES = sorted(set(NodeState) - {NodeState.DELETED})
STATUSES = ["BUILD", "ACTIVE", "ERROR", "SHUTOFF", "REBOOT"]


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(st.integers(1, 6), st.tuples(st.sampled_from(STATES), st.booleans(), st.booleans())),
    st.dictionaries(st.integers(1, 9), st.sampled_from(STATUSES)),
)
def test_every_server_is_somebodys_or_a_stray_and_a_listed_node_is_never_gone(
    nodes: dict[int, tuple[NodeState, bool, bool]], servers: dict[int, str]
) -> None:
    rows = [
        node(n, state, server_id=f"s{n}" if is_known else None, missing_at=AT if is_missing else None)
        for n, (state, is_known, is_missing) in nodes.items()
    ]
    found = look(rows, [server(n, status) for n, status in servers.items()])
    strays = {finding.server.id for finding in found if isinstance(finding, Stray)}
    told = [finding.node for finding in found if not isinstance(finding, Stray)]
    assert strays == {f"s{n}" for n in set(servers) - set(nodes)}
    assert len(told) == len(set(told))
    absent = {finding.node for finding in found if isinstance(finding, Gone | Missing)}
    assert not absent & set(servers)


def told(**values: object) -> dict[str, Alarm]:
    common = {"clouds": [Cloud(name="ca", max_servers=4)], "labels": [], "nodes": [], "endings": [], "strays": {}}
    found = alarms(**{**common, "standings": {}, "at": AT} | values)
    return {alarm.key: alarm for alarm in found}


def test_a_cloud_that_is_silent_for_a_moment_is_not_told() -> None:
    silent = Cloud(name="ca", max_servers=4, failing_since=AT - MINUTE, error="it is down")
    assert told(clouds=[silent])["provider:ca:api"].detail == "it is down"
    assert told(clouds=[Cloud(name="ca", max_servers=4, failing_since=AT)]) == {}


def test_a_quota_below_max_servers_is_told_when_nodes_lack_because_of_it() -> None:
    full = {"clouds": [Cloud(name="ca", max_servers=4, quota=1)], "nodes": [node()]}
    assert told(**full, labels=[LabelFacts(name="xen", launch_attempts=3)]) == {}
    alarm = told(**full, labels=[LabelFacts(name="xen", launch_attempts=3, short=2)])["provider:ca:quota"]
    assert alarm.detail == "it lets us have 1 servers, max_servers is 4"


def test_launches_that_fail_in_a_row_are_told_with_the_last_reason() -> None:
    endings = [
        Ending(provider="ca", label="xen", at=AT - n * MINUTE, failure=LaunchFailure.SSH, reason=f"no SSH {n}")
        for n in range(3)
    ]
    found = told(
        labels=[LabelFacts(name="xen", launch_attempts=3)],
        endings=endings,
        standings={("ca", "xen"): standing(endings, "ca", "xen"), ("cb", "xen"): Standing()},
    )
    assert set(found) == {"provider:ca:launch:xen:ssh", "label:xen:launch"}
    assert "no SSH 0" in found["label:xen:launch"].detail
    assert found["provider:ca:launch:xen:ssh"].detail.endswith("tried again at 12:05 UTC")
    assert all(alarm.remedy for alarm in found.values())
    later = told(standings={("ca", "xen"): standing(endings, "ca", "xen")}, at=AT + 5 * MINUTE)
    assert later["provider:ca:launch:xen:ssh"].detail.endswith("tried again with the next node that is needed")


def test_a_mistake_in_the_configuration_is_told_at_once() -> None:
    one = Ending(provider="ca", label="xen", at=AT, failure=LaunchFailure.CONFIG, reason="no image of this name")
    assert set(told(standings={("ca", "xen"): standing([one], "ca", "xen")})) == {"provider:ca:launch:xen:config"}


def test_servers_that_are_not_deleted_and_providers_that_are_gone_are_told() -> None:
    stuck = node(state=NodeState.DELETING, state_at=AT - timedelta(hours=1))
    lost = node(2, provider="old")
    label = LabelFacts(name="xen", launch_attempts=3)
    assert set(told(nodes=[stuck, lost], labels=[label], strays={"ca": 2})) == {
        "provider:ca:deletion",
        "provider:old:unknown",
        "provider:ca:strays",
    }


@pytest.mark.parametrize(("active_for", "pause"), [(0, 3), (11, 3), (20, 5), (40, 10), (600, 10), (-60, 3)])
def test_a_console_is_read_again_after_a_quarter_of_the_time_within_limits(active_for: int, pause: int) -> None:
    assert console_pause(AT, AT + timedelta(seconds=active_for)) == timedelta(seconds=pause)
