"""Which nodes that run no build are given up whatever is needed: of a drained provider, of a label that is gone."""

from xenci.model.node import NodeState
from xenci.rules.nodes import LAUNCHING, no_longer_configured
from xenci.rules.pool_nouns import Retire, World


def leaving(world: World) -> list[Retire]:
    """Return what is given up of providers that are drained, or that have more than is wanted of them.

    A node of an image stays, as one that runs a build does: what is begun on it is brought to its end.
    """
    found: list[Retire] = []
    for supply in world.supplies:
        mine = [node for node in world.nodes if node.provider == supply.name and node.state is not NodeState.DELETING]
        # what is being launched goes first, the youngest at the beginning
        launching = (node for node in mine if node.state in LAUNCHING and not node.is_for_image)
        idle = sorted(launching, key=lambda node: node.id, reverse=True)
        idle += sorted((n for n in mine if n.state is NodeState.READY), key=lambda node: node.ready_at or world.at)
        if supply.drained:
            found += [Retire(node=node.id, reason=supply.drained) for node in idle]
        elif supply.wanted is not None:
            why = f"{supply.name} is to have {supply.wanted} servers at most"
            beyond = max(0, len(mine) - supply.wanted)
            found += [Retire(node=node.id, reason=why) for node in idle[:beyond]]
    return found


def orphans(world: World) -> list[Retire]:
    """Give up ready nodes of labels that are no longer configured; launches are ended one by one, what runs may end."""
    known = {need.label for need in world.needs}
    return [
        Retire(node=node.id, reason=no_longer_configured(node.label))
        for node in world.nodes
        if node.state is NodeState.READY and node.label not in known
    ]
