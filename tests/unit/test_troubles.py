"""How long a step that fails is left alone."""

from xenci.services.troubles import LONGEST_PERMANENT, LONGEST_TEMPORARY, Troubles


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def pause(troubles: Troubles, clock: Clock) -> float:
    """Return how long the step may not run, in steps of half a second."""
    began = clock.now
    while not troubles.may_run("prepare", 7):
        clock.now += 0.5
    return clock.now - began


def test_the_first_failure_costs_no_pause_and_the_next_ones_ever_longer_ones() -> None:
    clock = Clock()
    troubles = Troubles(clock)
    pauses = []
    for _ in range(8):
        troubles.failed("prepare", 7, is_temporary=False)
        pauses.append(pause(troubles, clock))
    assert pauses[:4] == [0, 6, 12, 24]
    assert pauses[-1] == LONGEST_PERMANENT


def test_what_may_pass_by_itself_is_tried_more_often() -> None:
    clock = Clock()
    troubles = Troubles(clock)
    for _ in range(100):
        troubles.failed("prepare", 7, is_temporary=True)
    assert pause(troubles, clock) == LONGEST_TEMPORARY


def test_other_rows_and_steps_go_on() -> None:
    troubles = Troubles(Clock())
    for _ in range(3):
        troubles.failed("prepare", 7, is_temporary=False)
    assert not troubles.may_run("prepare", 7)
    assert troubles.may_run("prepare", 8)
    assert troubles.may_run("advance", 7)


def test_a_step_is_mended_when_none_of_its_rows_fails_any_more() -> None:
    troubles = Troubles(Clock())
    assert not troubles.mended("prepare", 7), "it never failed"
    for row in (7, 8):
        troubles.failed("prepare", row, is_temporary=True)
    assert not troubles.mended("prepare", 7)
    assert troubles.mended("prepare", 8)
    assert troubles.may_run("prepare", 8)
