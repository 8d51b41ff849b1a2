"""The same traffic with more and fewer nodes: a table, and the least number that keeps the promise."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from xenci.simulate.engine import simulate
from xenci.simulate.figures import Figures, figures
from xenci.simulate.installation import Installation, Scenario
from xenci.simulate.stream import Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What was found."""

    rows: tuple[Figures, ...]
    #: the figures of the least number of nodes that answers enough changes in time; None if no number does
    least: Figures | None
    #: the most nodes that were tried for it
    tried_up_to: int


def compare(traffic: Traffic, installation: Installation, scenario: Scenario, numbers: Iterable[int]) -> Comparison:
    """Simulate each number of nodes, then look for the least one that is enough."""
    known: dict[int, Figures] = {}

    def of(nodes: int) -> Figures:
        if nodes not in known:
            outcome = simulate(traffic.events, installation, replace(scenario, nodes=nodes))
            known[nodes] = figures(outcome, installation.prices)
        return known[nodes]

    rows = tuple(of(nodes) for nodes in numbers)
    most = max([installation.room, *known])
    low, high = 1, most
    if not of(most).is_enough:
        return Comparison(rows=rows, least=None, tried_up_to=most)
    # halved again and again, as more nodes do not serve worse but for chance
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if of(middle).is_enough else (middle + 1, high)
    return Comparison(rows=rows, least=of(low), tried_up_to=most)
