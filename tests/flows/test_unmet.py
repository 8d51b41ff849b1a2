"""What could not be tested with what it needs is tried again by itself, ever less often."""

import pytest

from tests.flows.town import DRIVER, Town
from tests.upstream import text
from xenci.services.consider import consider
from xenci.services.prepare import prepare
from xenci.services.renew import renew


def tries(town: Town) -> int:
    """Let the renewal look, and what it starts be prepared; return how many runs it started."""
    renew(town.world.ctx)
    new = [one.id for one in town.world.buildsets() if one.state == "new"]
    for buildset in new:
        prepare(town.world.ctx, buildset)
    return len(new)


def test_a_change_is_run_once_what_it_depends_on_is_there(town: Town) -> None:
    change = town.push({DRIVER: text(l21="change")}, depends_on=["http://127.0.0.1:1/2"])
    assert town.run(change).result == "DEPENDENCY_UNMET"
    town.world.later(minutes=5)
    assert tries(town) == 1
    first, second = town.world.buildsets()
    assert (second.trigger, second.found_by, second.result) == ("need", "renew", "DEPENDENCY_UNMET")
    needed = town.push({DRIVER: text(l3="needed")})
    assert needed.change == 2
    town.world.later(minutes=5)
    assert tries(town) == 1
    again, second = town.world.buildsets()
    assert (again.id, again.result, again.reasons) == (first.id, "DEPENDENCY_UNMET", first.reasons)
    assert (second.state, second.reasons, len(second.builds)) == ("running", [], 1)
    assert town.file(second.builds[0].tree_sha) == text(l3="needed", l21="change")
    town.world.later(hours=5)
    assert tries(town) == 0


def test_it_is_tried_with_each_look_for_an_hour_and_once_an_hour_from_then_on(town: Town) -> None:
    needed = town.push({DRIVER: text(l3="needed")})
    town.world.gerrit.end(needed.change, "ABANDONED")
    town.run(town.push({DRIVER: text(l21="change")}, depends_on=[needed]))
    assert tries(town) == 0, "it was tried at this moment"
    early, late = [], []
    for _ in range(11):
        town.world.later(minutes=5)
        early.append(tries(town))
    town.world.later(minutes=5)
    for _ in range(48):
        late.append(tries(town))
        town.world.later(minutes=5)
    assert (sum(early), sum(late), len(town.world.buildsets())) == (11, 4, 2)
    town.world.gerrit.end(needed.change, "NEW")
    town.world.later(hours=1)
    assert tries(town) == 1
    assert town.world.buildsets()[-1].state == "running"


def test_it_is_let_go_with_the_change_or_its_patch_set(town: Town) -> None:
    unknown = "http://127.0.0.1:1/4711"
    closed, renewed = (town.push({DRIVER: text(l3=word)}, depends_on=[unknown]) for word in ("one", "two"))
    for change in (closed, renewed):
        town.run(change)
    town.world.gerrit.end(closed.change, "ABANDONED")
    consider(town.world.ctx, closed.change)
    town.run(town.push({DRIVER: text(l3="two")}, number=renewed.change))
    town.world.later(hours=2)
    assert tries(town) == 0


def test_so_many_are_tried_at_once_those_first_that_wait_longest(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xenci.services.unmet.MOST", 3)
    for number in range(5):
        town.run(town.push({DRIVER: text(l3=f"{number}")}, depends_on=["http://127.0.0.1:1/4711"]))
        town.world.later(seconds=1)
    town.world.later(hours=2)
    assert [tries(town), tries(town), tries(town)] == [3, 2, 0]
