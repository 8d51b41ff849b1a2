"""What about nodes and clouds needs a person: said once, with what can be done, for as long as it lasts.

Each alarm is derived from the same facts as the plan, so it closes by itself when the cause is gone.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from xenci.model.node import LaunchFailure, NodeState
from xenci.rules.breaker import WIDE, Ending, Standing, failures_in_a_row
from xenci.rules.nodes import Node

#: a cloud that does not answer for less is not worth a word
_SILENCE = timedelta(seconds=20)
#: a deletion that takes longer needs a person
_DELETION = timedelta(minutes=10)
#: how long a refusal for quota is told
_QUOTA_TOLD = timedelta(minutes=10)

_REMEDIES = {
    LaunchFailure.CAPACITY: "the other provider takes the load; ask the cloud for room, or lower max_servers",
    LaunchFailure.API: "the other provider takes the load; look at the cloud's own status",
    LaunchFailure.BOOT: "look at the image, and at the cloud's own status",
    LaunchFailure.NETWORK: "the other provider takes the load; look at the network's free addresses and ports",
    LaunchFailure.SSH: "look at the image (xenci node show, and its console), the network and the security groups",
    LaunchFailure.XEN: "the image does not come up as a Xen host: look at its console",
    LaunchFailure.CONFIG: "mend the configuration or the cloud; it is tried again by itself",
    LaunchFailure.QUOTA: "raise the quota of the project, or lower max_servers",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One line for the health page."""

    key: str
    brief: str
    detail: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """What is known of a provider."""

    name: str
    max_servers: int
    #: servers that the quota lets us have; None if it names no limit
    quota: int | None = None
    failing_since: datetime | None = None
    #: when it was last listed; None if it never was
    listed_at: datetime | None = None
    #: for how long a list says what there is
    fresh_for: timedelta = timedelta(minutes=2)
    error: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFacts:
    """What is known of a label."""

    name: str
    #: failed launches in a row before it is in alarm
    launch_attempts: int
    #: nodes that are lacking and cannot be asked for now
    short: int = 0


def alarms(
    *,
    clouds: Sequence[Cloud],
    labels: Sequence[LabelFacts],
    nodes: Sequence[Node],
    endings: Sequence[Ending],
    standings: dict[tuple[str, str], Standing],
    strays: dict[str, int],
    at: datetime,
) -> list[Alarm]:
    """Return every alarm that should be open now."""
    found = [_silence(cloud) for cloud in clouds if cloud.failing_since and at - cloud.failing_since >= _SILENCE]
    found += [_blindness(cloud) for cloud in clouds if _is_unseen(cloud, at)]
    found += _launches(standings, at)
    found += _attempts(labels, endings)
    found += _quotas(clouds, labels, nodes, endings, at)
    found += _deletions(nodes, at)
    found += _unknown(clouds, nodes)
    found += _unknown_labels(labels, nodes)
    found += [
        Alarm(
            key=f"provider:{provider}:strays",
            brief=f"What is ours on {provider} and has no row is not deleted",
            detail=f"{count} of them",
            remedy="look at them with the cloud's own tools",
        )
        for provider, count in strays.items()
    ]
    return found


def _silence(cloud: Cloud) -> Alarm:
    return Alarm(
        key=f"provider:{cloud.name}:api",
        brief=f"The cloud {cloud.name} cannot be used",
        detail=cloud.error,
        remedy=cloud.remedy or _REMEDIES[LaunchFailure.API],
    )


def _is_unseen(cloud: Cloud, at: datetime) -> bool:
    """Tell whether a cloud whose calls are not said to fail was not listed for long all the same."""
    return cloud.failing_since is None and cloud.listed_at is not None and at - cloud.listed_at >= cloud.fresh_for


def _blindness(cloud: Cloud) -> Alarm:
    return Alarm(
        key=f"provider:{cloud.name}:api",
        brief=f"The cloud {cloud.name} was not listed for long: it gets no nodes",
        detail=f"the last time at {cloud.listed_at:%Y-%m-%d %H:%M} UTC",
        remedy="its calls may hang: look at the cloud's own status, and at xenci's log for the survey",
    )


def _launches(standings: dict[tuple[str, str], Standing], at: datetime) -> Iterable[Alarm]:
    found: dict[str, Alarm] = {}
    for (provider, label), stands in sorted(standings.items()):
        for breaker in stands.breakers:
            if not breaker.is_tripped or breaker.open_until is None:
                continue
            is_wide = breaker.reason in WIDE
            key = f"provider:{provider}:launch:" + ("" if is_wide else f"{label}:") + breaker.reason
            what = "Nodes" if is_wide else f"Nodes of label {label}"
            found[key] = Alarm(
                key=key,
                brief=f"{what} cannot be launched on {provider}: {breaker.reason}",
                detail=f"{breaker.failures} in a row, the last: {breaker.last.reason}"
                f"; tried again {_next_try(breaker.open_until, at)}",
                remedy=_REMEDIES[breaker.reason],
            )
    return found.values()


def _next_try(open_until: datetime, at: datetime) -> str:
    """Return when it is tried again: not before this time, and not before a node is needed."""
    return f"at {open_until:%H:%M} UTC" if open_until > at else "with the next node that is needed"


def _attempts(labels: Sequence[LabelFacts], endings: Sequence[Ending]) -> Iterable[Alarm]:
    for label in labels:
        failed = failures_in_a_row(endings, label.name)
        if len(failed) >= label.launch_attempts:
            last = failed[0]
            yield Alarm(
                key=f"label:{label.name}:launch",
                brief=f"No node of label {label.name} could be launched on any provider",
                detail=f"{len(failed)} launches failed in a row, the last on {last.provider}: {last.reason}",
                remedy=_REMEDIES[last.failure] if last.failure else "",
            )


def _quotas(
    clouds: Sequence[Cloud],
    labels: Sequence[LabelFacts],
    nodes: Sequence[Node],
    endings: Sequence[Ending],
    at: datetime,
) -> Iterable[Alarm]:
    is_short = any(label.short for label in labels)
    live = Counter(node.provider for node in nodes)
    for cloud in clouds:
        is_full = cloud.quota is not None and cloud.quota < cloud.max_servers and live[cloud.name] >= cloud.quota
        refused = [
            e.reason
            for e in endings
            if e.provider == cloud.name and e.failure is LaunchFailure.QUOTA and at - e.at < _QUOTA_TOLD
        ]
        if refused or (is_full and is_short):
            yield Alarm(
                key=f"provider:{cloud.name}:quota",
                brief=f"The quota of {cloud.name} is full: builds wait",
                detail=refused[-1]
                if refused
                else f"it lets us have {cloud.quota} servers, max_servers is {cloud.max_servers}",
                remedy=_REMEDIES[LaunchFailure.QUOTA],
            )


def _deletions(nodes: Sequence[Node], at: datetime) -> Iterable[Alarm]:
    stuck = [node for node in nodes if node.state is NodeState.DELETING and at - node.state_at > _DELETION]
    for provider in sorted({node.provider for node in stuck}):
        names = ", ".join(node.name for node in stuck if node.provider == provider)
        yield Alarm(
            key=f"provider:{provider}:deletion",
            brief=f"Servers on {provider} are not deleted although we ask for it",
            detail=names[:500],
            remedy="delete them with the cloud's own tools; they may cost money",
        )


def _unknown(clouds: Sequence[Cloud], nodes: Sequence[Node]) -> Iterable[Alarm]:
    known = {cloud.name for cloud in clouds}
    for provider in sorted({node.provider for node in nodes} - known):
        names = ", ".join(node.name for node in nodes if node.provider == provider)
        yield Alarm(
            key=f"provider:{provider}:unknown",
            brief=f"Nodes are left on {provider}, which is no longer configured",
            detail=names[:500],
            remedy=f"put the provider {provider} back with max_servers: 0 until its nodes are deleted",
        )


def _unknown_labels(labels: Sequence[LabelFacts], nodes: Sequence[Node]) -> Iterable[Alarm]:
    known = {label.name for label in labels}
    left = [node for node in nodes if node.label not in known and node.state is not NodeState.DELETING]
    for label in sorted({node.label for node in left}):
        names = ", ".join(f"{node.name} ({node.state})" for node in left if node.label == label)
        yield Alarm(
            key=f"label:{label}:unknown",
            brief=f"Nodes are left of label {label}, which is no longer configured",
            detail=names[:500],
            remedy="each is deleted when its build has ended; xenci node delete ends one at once",
        )
