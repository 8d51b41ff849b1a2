"""What the pool's plan is made from: needs, supplies, nodes, and how launches ended."""

from datetime import UTC, datetime, timedelta
from typing import Any

from xenci.model.node import LaunchFailure, NodeState
from xenci.rules.breaker import Ending
from xenci.rules.nodes import Node
from xenci.rules.pool import Need, Plan, Supply, World, plan

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def need(label: str = "xen", **values: object) -> Need:
    return Need(**{"label": label, "min_ready": 1, "max_nodes": 10, "max_age": timedelta(hours=12)} | values)


def supply(
    name: str = "ca", capacity: int = 10, is_open: bool = True, labels: tuple[str, ...] = ("xen",), **values: Any
) -> Supply:
    return Supply(name=name, labels=frozenset(labels), capacity=capacity, is_open=is_open, **values)


def node(number: int, state: NodeState = NodeState.READY, provider: str = "ca", age: timedelta = MINUTE) -> Node:
    at = AT - age
    return Node(
        id=number,
        name=f"n{number}",
        label="xen",
        provider=provider,
        state=state,
        created_at=at,
        ready_at=at,
        state_at=at,
    )


def ending(
    provider: str, ago: timedelta, failure: LaunchFailure | None = LaunchFailure.BOOT, label: str = "xen"
) -> Ending:
    return Ending(provider=provider, label=label, at=AT - ago, failure=failure)


def decide(**values: object) -> Plan:
    return plan(World(**{"needs": [need()], "supplies": [supply("ca"), supply("cb")], "nodes": [], "at": AT} | values))


def where(decided: Plan) -> list[str]:
    return sorted(launch.provider for launch in decided.launches)
