"""What a build still has to do: pure, from the recipe's keys and the marks that earlier attempts left.

A step that was begun is repeated on the tree it left half done, as every step can be; but a tree that went through a
step which has changed since is not trusted: then the build begins again, from the kept tree where that is still true.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from xenci.lab.images.recipe import Recipe, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do, in order, and why it begins where it does."""

    #: `go on` with the working folder as it is, from the `kept` tree, or from `nothing`
    start: str
    reason: str
    groups: tuple[tuple[Step, ...], ...]


def plan(recipe: Recipe, *, begun: Mapping[str, str], done: Mapping[str, str], kept: str | None) -> Plan:
    """Decide where a build begins. `begun` and `done` are keys by step, `kept` is the key of the tree that is kept."""
    now = {step.name: step.key for step in recipe.steps}
    if begun and all(now.get(name) == key for name, key in begun.items()):
        left = tuple(tuple(s for s in group if done.get(s.name) != s.key) for group in recipe.groups)
        groups = tuple(group for group in left if group)
        where = f"goes on with {groups[0][0].name}" if groups else "only the first boot is left"
        return Plan(start="go on", reason=f"an earlier attempt was interrupted; {where}", groups=groups)
    changed = next((name for name, key in begun.items() if now.get(name) != key), None)
    why = f"{changed} has changed; " if changed else ""
    if kept is not None and kept == key_of_kept(recipe):
        rest = tuple(group for group in recipe.groups if group[0].number > (recipe.keep_after or 0))
        return Plan(start="kept", reason=f"{why}begins with the tree kept from an earlier build", groups=rest)
    return Plan(start="nothing", reason=f"{why}begins from nothing", groups=recipe.groups)


def key_of_kept(recipe: Recipe) -> str | None:
    """Return the key of the tree that the recipe keeps: all steps up to it; None if it keeps none."""
    if recipe.keep_after is None:
        return None
    return "+".join(step.key for step in recipe.steps if step.number == recipe.keep_after)
