"""Which tests run once more: alone, then on the tip, and of a class that could not be set up."""

from dataclasses import replace

import pytest
from hypothesis import given

from tests.unit.verdict_samples import (
    BAD,
    BOOT,
    BOOT_CLASS,
    DEAD,
    DONE,
    FACTS,
    GOOD,
    LATE,
    LIST,
    NEAR,
    SET_UP,
    failed,
    passed,
)
from xenci.model.build import Run
from xenci.rules.build_facts import BuildFacts, Step
from xenci.rules.reruns import MOST_REPEATED, Repeat, names, next_run

FAILED = frozenset({"setUpClass (tempest.api.ServerActions)", "tempest.api.Flavors.test_list[id-1,smoke]"})


@pytest.mark.parametrize(
    ("listed", "repeated"),
    [
        # nothing is known of the list, or the class is in it, or a module around it: the class
        ((), "tempest.api.ServerActions"),
        (("tempest.api.ServerActions",), "tempest.api.ServerActions"),
        (("tempest.api",), "tempest.api.ServerActions"),
        # only two of its thirty tests are listed: one of them sets it up, and takes no half hour
        (("tempest.api.ServerActions.test_b", "tempest.api.ServerActions.test_a"), "tempest.api.ServerActions.test_b"),
        # another class with a longer name is another class
        (("tempest.api.ServerActionsV2.test_a",), "tempest.api.ServerActions"),
    ],
)
def test_of_a_class_that_could_not_be_set_up_no_more_is_repeated_than_was_listed(
    listed: tuple[str, ...], repeated: str
) -> None:
    assert names(FAILED, listed) == (repeated, "tempest.api.Flavors.test_list")


def test_what_failed_runs_again_alone_then_on_the_tip_then_nothing() -> None:
    boot = f"{BOOT_CLASS}.test_boot"
    first = replace(BAD, again=None, nova_tip=None, tip=None)
    assert next_run(first) == Repeat(run=Run.AGAIN, tests=(boot,))
    assert next_run(replace(first, again=failed(BOOT))) == Repeat(run=Run.TIP, tests=(boot,))
    assert next_run(replace(first, again=replace(failed(BOOT), damage="3 bytes"))) is None
    assert next_run(replace(first, first=replace(failed(BOOT), damage="3 bytes"))) is None
    assert next_run(BAD) is None
    assert next_run(replace(first, again=passed(BOOT))) is None
    assert next_run(GOOD) is None


def test_the_tip_boots_a_guest_where_the_change_let_none_start() -> None:
    facts = replace(BAD, first=failed(LIST), again=failed(LIST), nova_tip=None, tip=None, guest_seen=frozenset())
    found = next_run(facts, (BOOT_CLASS,))
    assert found is not None
    assert found.tests == ("tempest.api.compute.test_list.ListTest.test_list", BOOT_CLASS)
    assert next_run(replace(facts, first=failed(SET_UP), again=failed(SET_UP)), (BOOT_CLASS,)) == Repeat(
        run=Run.TIP, tests=(BOOT_CLASS,)
    )


def test_nova_that_does_not_start_is_started_once_more_before_the_tip_is_asked() -> None:
    once = replace(DEAD, nova_again=None, nova_tip=None, tip=None)
    assert next_run(once, (BOOT_CLASS,)) == Repeat(run=Run.AGAIN, tests=())
    assert next_run(replace(once, nova_again=DONE), (BOOT_CLASS,)) is None
    assert next_run(replace(once, nova_again=LATE), (BOOT_CLASS,)) is None
    assert next_run(replace(once, tried_agrees=False), (BOOT_CLASS,)) is None
    assert next_run(replace(once, tried_agrees=None), (BOOT_CLASS,)) is None
    assert next_run(once) is None, "without a test that boots a guest the tip could prove nothing"


def test_the_tip_is_asked_when_nova_does_not_start_and_only_then() -> None:
    dead = replace(DEAD, nova_tip=None, tip=None)
    assert next_run(dead, (BOOT_CLASS,)) == Repeat(run=Run.TIP, tests=(BOOT_CLASS,))
    assert next_run(DEAD, (BOOT_CLASS,)) is None
    assert next_run(replace(dead, nova=LATE), (BOOT_CLASS,)) is None
    assert next_run(replace(dead, nova=Step(exit_code=3)), (BOOT_CLASS,)) is None
    assert next_run(replace(dead, node_lost="gone"), (BOOT_CLASS,)) is None


def test_of_many_failures_only_some_are_repeated_from_as_many_classes_as_possible() -> None:
    many = {f"a.Big.test_{i:03}" for i in range(100)} | {f"b.Small{i}.test_x" for i in range(5)}
    chosen = names(frozenset(many))
    assert len(chosen) == MOST_REPEATED
    assert {f"b.Small{i}.test_x" for i in range(5)} < set(chosen)


@given(FACTS | NEAR)
def test_a_verdict_is_reached_after_a_bounded_number_of_runs(facts: BuildFacts) -> None:
    """Each run that is asked for is one that did not happen yet, so the asking ends."""
    found = next_run(facts, (BOOT_CLASS,))
    if found is not None:
        assert found.tests or (found.run is Run.AGAIN and facts.nova_again is None)
        assert found.run is Run.TIP or facts.again is None or not found.tests
        assert found.run is Run.AGAIN or (facts.tip is None or facts.nova_tip is None)
