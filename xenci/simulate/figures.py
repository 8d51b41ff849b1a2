"""What a simulated world says: how soon changes were answered, how busy the nodes were, what they cost."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from xenci.rules.cost import Amount, amount
from xenci.rules.statistics import percentile
from xenci.simulate.engine import Outcome
from xenci.simulate.runs import Ending

#: in which a change is to have its report, and the share of changes that must
LIMIT = timedelta(hours=4)
ENOUGH = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One row of the table; times in minutes, shares from 0 to 1, None where nothing was reported."""

    nodes: int
    #: runs that were asked for
    asked: int
    #: that ran to their report: what the times are about
    reported: int
    #: answered at once, by the verdict on an earlier patch set
    copied: int
    withdrawn: int
    #: never answered; 0 unless no provider ever gave a node
    open: int
    median: float | None
    p95: float | None
    worst: float | None
    within_limit: float | None
    #: from the asking to the node, of builds that got one
    wait_p95: float | None
    most_nodes: int
    #: hours on a build of all hours of servers
    utilisation: float
    node_hours: float
    launches: int
    failed_launches: int
    #: None without a price
    cost: float | None
    cost_per_report: float | None

    @property
    def is_enough(self) -> bool:
        """Whether so many nodes keep the promise."""
        return self.within_limit is not None and self.within_limit >= ENOUGH


def figures(outcome: Outcome, prices: Mapping[tuple[str, str], float]) -> Figures:
    """Return the figures of a world that came to its end."""
    ran = [one for one in outcome.buildsets if one.ending is Ending.REPORTED]
    took = sorted((one.ended_at or outcome.ends) - one.asked_at for one in ran)
    waits = sorted(
        build.started_at - one.asked_at for one in outcome.buildsets for build in one.builds if build.started_at
    )
    whole = amount(outcome.lives, prices, outcome.begins, outcome.ends)
    return Figures(
        nodes=outcome.scenario.nodes,
        asked=len(outcome.buildsets),
        reported=len(took),
        copied=sum(1 for one in outcome.buildsets if one.ending is Ending.COPIED),
        withdrawn=sum(1 for one in outcome.buildsets if one.ending is Ending.WITHDRAWN),
        open=sum(1 for one in outcome.buildsets if one.ending is None),
        median=_minutes(took, 50),
        p95=_minutes(took, 95),
        worst=_minutes(took, 100),
        within_limit=sum(1 for one in took if one <= LIMIT) / len(took) if took else None,
        wait_p95=_minutes(waits, 95),
        most_nodes=outcome.most_nodes,
        utilisation=round(_busy(outcome) / whole.hours, 4) if whole.hours else 0.0,
        node_hours=round(whole.hours, 1),
        launches=outcome.launches,
        failed_launches=outcome.failed_launches,
        cost=None if whole.money is None else round(whole.money, 2),
        cost_per_report=_each(whole, len(took)),
    )


def plain(one: Figures) -> dict[str, Any]:
    """Return a row as JSON has it."""
    return asdict(one)


def _busy(outcome: Outcome) -> float:
    """Return the hours of nodes on builds."""
    ran = [build for one in outcome.buildsets for build in one.builds]
    spans = [(build.ended_at or outcome.ends) - build.started_at for build in ran if build.started_at is not None]
    return sum(spans, timedelta()) / timedelta(hours=1)


def _minutes(ordered: Sequence[timedelta], percent: int) -> float | None:
    return round(percentile(ordered, percent) / timedelta(minutes=1), 1) if ordered else None


def _each(whole: Amount, reports: int) -> float | None:
    return None if whole.money is None or not reports else round(whole.money / reports, 4)
