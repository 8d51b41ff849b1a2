"""Whose comments start nothing: accounts and members of groups."""

import pytest

from tests.contracts.fake_gerrit import REVIEWER
from tests.flows.world import World
from xenci.errors import Temporary
from xenci.gerrit.failures import GerritDown
from xenci.model.change import Account
from xenci.services.consider import consider
from xenci.services.groups import CiGroups
from xenci.store.marks import open_alarms

ROBOT = Account(username="other-vendor", name="Another Vendor's Tests")
KEY = "gerrit:group:Third-Party CI"


@pytest.fixture
def grouped(world: World) -> World:
    """An installation that ignores a group, and a change that ran once."""
    raw = world.ctx.settings.model_dump(mode="json", exclude_defaults=True)
    raw["gerrit"]["ignored_groups"] = ["Third-Party CI"]
    world.ctx.settings = type(world.ctx.settings).model_validate(raw)
    world.gerrit.groups["Third-Party CI"] = [ROBOT]
    return world


def alarms(world: World) -> list[str]:
    with world.database.session() as session:
        return [alarm.key for alarm in open_alarms(session)]


def runs_after(world: World, author: Account) -> int:
    change = world.gerrit.push().change
    consider(world.ctx, change)
    world.later(minutes=5)
    world.gerrit.comment(change, "recheck", author=author)
    consider(world.ctx, change)
    return len(world.buildsets())


def test_a_member_of_an_ignored_group_starts_nothing(grouped: World) -> None:
    assert runs_after(grouped, ROBOT) == 1
    assert alarms(grouped) == []


def test_others_are_heard(grouped: World) -> None:
    assert runs_after(grouped, REVIEWER) == 2


def test_a_group_that_gerrit_does_not_show_is_an_alarm_until_it_does(grouped: World) -> None:
    shown = grouped.gerrit.groups.pop("Third-Party CI")
    assert runs_after(grouped, REVIEWER) == 2, "the rest goes on"
    assert alarms(grouped) == [KEY]
    with grouped.database.session() as session:
        assert "gerrit.ignored_users" in open_alarms(session)[0].remedy
    grouped.gerrit.groups["Third-Party CI"] = shown
    grouped.later(minutes=6)
    consider(grouped.ctx, 1)
    assert alarms(grouped) == []


@pytest.mark.parametrize("is_restarted", [False, True])
def test_the_alarm_of_a_group_that_is_no_longer_ignored_ends(grouped: World, is_restarted: bool) -> None:
    del grouped.gerrit.groups["Third-Party CI"]
    grouped.gerrit.groups["Others"] = []
    both = grouped.ctx.settings.gerrit.model_copy(update={"ignored_groups": ("Third-Party CI", "Gone")})
    grouped.ctx.groups.cis(both)
    assert alarms(grouped) == [KEY, "gerrit:group:Gone"]
    if is_restarted:
        grouped.ctx.groups = CiGroups(grouped.gerrit, grouped.database, grouped.ctx.clock)
    grouped.ctx.groups.cis(both.model_copy(update={"ignored_groups": ("Others", "Gone")}))
    assert alarms(grouped) == ["gerrit:group:Gone"]


def test_members_are_believed_while_gerrit_does_not_answer_but_never_made_up(grouped: World) -> None:
    settings = grouped.ctx.settings.gerrit
    grouped.gerrit.down = GerritDown("no answer")
    with pytest.raises(Temporary):
        grouped.ctx.groups.cis(settings)
    grouped.gerrit.down = None
    assert ROBOT.username in grouped.ctx.groups.cis(settings).ignored_users
    grouped.later(hours=2)
    grouped.gerrit.down = GerritDown("no answer")
    assert ROBOT.username in grouped.ctx.groups.cis(settings).ignored_users
