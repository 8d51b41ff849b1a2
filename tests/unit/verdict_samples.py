"""Facts of builds: a good change, a bad one, one that Nova does not start with, and any others."""

from dataclasses import replace

from hypothesis import strategies as st

from xenci.model.build import Run
from xenci.rules.build_facts import BuildFacts, Step
from xenci.rules.proof import RunFacts

LIST = "tempest.api.compute.test_list.ListTest.test_list[id-1,smoke]"
SHOW = "tempest.api.compute.test_list.ListTest.test_show[id-2]"
BOOT = "tempest.api.compute.servers.test_create.CreateTest.test_boot[id-3]"
BOOT_CLASS = "tempest.api.compute.servers.test_create.CreateTest"
SET_UP = f"setUpClass ({BOOT_CLASS})"
TEAR_DOWN = f"tearDownClass ({BOOT_CLASS})"

DONE = Step()
LATE = Step(timed_out=True, exit_code=None)
ENDED = Step(exit_code=1, detail="SyntaxError in nova/virt/libvirt/driver.py")
#: a good change, all proved
GOOD = BuildFacts(
    tree=DONE,
    nova=DONE,
    tree_agrees=True,
    first=RunFacts(passed=frozenset({LIST, BOOT}), skipped=frozenset({SHOW})),
    host_seen=True,
    guest_seen=frozenset({Run.FIRST}),
    collect=DONE,
)
#: a change that breaks one test, all proved
BAD = replace(
    GOOD,
    first=RunFacts(passed=frozenset({LIST}), failed=frozenset({BOOT})),
    again=RunFacts(failed=frozenset({BOOT})),
    nova_tip=DONE,
    tip_agrees=True,
    tip=RunFacts(passed=frozenset({BOOT})),
    guest_seen=frozenset({Run.TIP}),
)
#: a change with which Nova does not start
DEAD = replace(
    BAD,
    nova=ENDED,
    nova_again=ENDED,
    tree_agrees=None,
    tried_agrees=True,
    first=None,
    again=None,
)


def failed(*tests: str) -> RunFacts:
    return RunFacts(failed=frozenset(tests))


def passed(*tests: str) -> RunFacts:
    return RunFacts(passed=frozenset(tests))


#: runs of every kind, made once: drawing sets is slow
WHERE = ("passed", "failed", "skipped", "unfinished", "never_started")
POOL: list[RunFacts | None] = [None]
POOL += [
    RunFacts(**{one: frozenset({BOOT}), two: frozenset({other})}, timed_out=late, exit_code=None if late else code)
    for one in WHERE
    for two in WHERE
    if one != two
    for other in (LIST, SET_UP)
    for late, code in ((False, 0), (False, 1), (True, 0))
]
POOL += [replace(run, damage="3 bytes") for run in POOL if run is not None]
RUNS = st.sampled_from(POOL)
STEPS = st.sampled_from([None, DONE, DONE, LATE, *(Step(exit_code=code) for code in (1, 2, 3, 4, None))])
GUESTS = st.sampled_from([frozenset[Run](), *(frozenset({run}) for run in Run), frozenset(Run)])
FACTS = st.builds(
    BuildFacts,
    attempt=st.integers(1, 3),
    attempts=st.just(3),
    cancelled=st.sampled_from(["", "", "", "newer patch set"]),
    node_lost=st.sampled_from(["", "", "", "gone"]),
    broken=st.sampled_from(["", "", "", "bug"]),
    tree=STEPS,
    nova=STEPS,
    nova_again=STEPS,
    nova_tip=STEPS,
    tried_agrees=st.sampled_from([True, True, False, None]),
    tree_agrees=st.sampled_from([True, True, False, None]),
    tip_agrees=st.sampled_from([True, True, False, None]),
    first=RUNS,
    again=RUNS,
    tip=RUNS,
    host_seen=st.booleans(),
    guest_seen=GUESTS,
    collect=STEPS,
)
#: facts near those that vote, so that both votes are reached often
NEAR = st.sampled_from([GOOD, BAD, DEAD]).flatmap(
    lambda base: st.fixed_dictionaries(
        {},
        optional={
            "tree_agrees": st.sampled_from([True, False, None]),
            "tip_agrees": st.sampled_from([True, False, None]),
            "first": RUNS,
            "again": RUNS,
            "tip": RUNS,
            "nova": STEPS,
            "nova_again": STEPS,
            "nova_tip": STEPS,
            "tried_agrees": st.sampled_from([True, False, None]),
            "collect": STEPS,
            "host_seen": st.booleans(),
            "guest_seen": GUESTS,
            "node_lost": st.sampled_from(["", "gone"]),
        },
    ).map(lambda other: replace(base, **other))  # type: ignore[arg-type]
)
