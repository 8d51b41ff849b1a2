"""Says what runs next on the node: what failed, alone; then the same on the tip; or nothing more.

What fails is a test, or the start of Nova: that one is tried once more, and then the tip is started.

A change that breaks everything would make the second run as long as the first, so only so many are repeated: one test
that is proved the change's is enough for a verdict.
"""

from dataclasses import dataclass

from xenci.model.build import Run
from xenci.rules.build_facts import BuildFacts, Step
from xenci.rules.proof import bare, outcome, owner, runnable

#: most names that are run again
MOST_REPEATED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """Run these, by dotted name: alone on the change's Nova, or on Nova started from the tip.

    No tests: only start Nova once more.
    """

    run: Run
    tests: tuple[str, ...]


def next_run(facts: BuildFacts, boot_tests: tuple[str, ...] = (), listed: tuple[str, ...] = ()) -> Repeat | None:
    """Return the run that a verdict still needs, or None.

    `listed` is what the job lists: of a class that could not be set up one listed test is repeated.
    `boot_tests` are the job's tests that boot a guest: the tip runs one where the change let no guest start, as the
    hypervisor must be seen at work on this node.
    """
    if facts.cancelled or facts.node_lost or facts.broken or facts.tree_agrees is False:
        return None
    if facts.nova is not None and not facts.nova.is_good:
        return _after_start(facts, facts.nova, boot_tests)
    first = facts.first
    if first is None or first.timed_out or first.damage or not first.failed:
        return None
    if facts.again is None:
        return Repeat(run=Run.AGAIN, tests=names(first.failed, listed))
    if facts.again.timed_out or facts.again.damage or facts.nova_tip is not None or facts.tip is not None:
        return None
    failed_again = frozenset(test for test in first.failed if outcome(test, facts.again) == "failed")
    if not failed_again:
        return None
    tests = names(failed_again, listed)
    if not facts.guest_seen:
        tests = tuple(dict.fromkeys((*tests, *(test for test in boot_tests if not _covers(tests, test)))))
    return Repeat(run=Run.TIP, tests=tests)


def _after_start(facts: BuildFacts, nova: Step, boot_tests: tuple[str, ...]) -> Repeat | None:
    """Return what a start of Nova that failed needs; nothing where no test could show that the tip boots a guest."""
    if not (boot_tests and nova.has_ended and facts.tried_agrees) or facts.nova_tip is not None:
        return None
    if facts.nova_again is None:
        return Repeat(run=Run.AGAIN, tests=())
    return Repeat(run=Run.TIP, tests=boot_tests) if facts.nova_again.has_ended else None


def names(failed: frozenset[str], listed: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the dotted names that run failed tests again, at most MOST_REPEATED, from as many classes as possible."""
    whole = {_as_listed(runnable(test), listed) for test in failed if runnable(test) == owner(test)}
    single = sorted({runnable(test) for test in failed if runnable(test) != owner(test)} - whole)
    single = [name for name in single if not _covers(tuple(whole), name)]
    turn: dict[str, int] = {}
    ranked = []
    for name in single:
        turn[owner(name)] = turn.get(owner(name), 0) + 1
        ranked.append((turn[owner(name)], name))
    return tuple([*sorted(whole), *(name for _, name in sorted(ranked))][:MOST_REPEATED])


def _as_listed(where: str, listed: tuple[str, ...]) -> str:
    """Return what sets a class up again: the class, or if only some of its tests are listed, the first of those."""
    if _covers(listed, where):
        return where
    return next((name for name in listed if name.startswith(where + ".")), where)


def _covers(tests: tuple[str, ...], name: str) -> bool:
    return any(bare(name) == test or bare(name).startswith(test + ".") for test in tests)
