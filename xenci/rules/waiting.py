"""Says in a sentence why a build waits, from its place in the queue and from the nodes of its label."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelNodes:
    """The nodes of one label, counted."""

    ready: int = 0
    #: asked of a cloud, or being proved
    coming: int = 0
    in_use: int = 0
    #: kept for a person
    held: int = 0
    #: most at once
    most: int


def why_waits(label: str, nodes: LabelNodes, before: int, *, is_disk_short: bool = False) -> str:
    """Return the reason; `before` builds of the same label are served earlier."""
    if is_disk_short:
        return "The disk of the logs is nearly full: no build starts."
    if before < nodes.ready:
        return f"A node of {label} is ready: it starts in a moment."
    if before < nodes.ready + nodes.coming:
        return f"A node of {label} is being made for it."
    queue = f"{before} {'build is' if before == 1 else 'builds are'} before it" if before else "it is the next"
    if nodes.held and nodes.in_use + nodes.held >= nodes.most:
        return f"All {nodes.most} nodes of {label} are in use, {nodes.held} of them held for people; {queue}."
    if nodes.in_use >= nodes.most:
        return f"All {nodes.most} nodes of {label} are in use; {queue}."
    return f"No node of {label} is ready; {queue}."
