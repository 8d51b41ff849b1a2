"""The command line on rows that the services wrote."""

import json
from collections.abc import Callable

import pytest
from click.testing import Result
from typer.testing import CliRunner

from tests.flows.test_consider import hear
from tests.flows.world import World
from xenci.cli.main import app
from xenci.errors import NotFound
from xenci.services import outbox
from xenci.services.advance.judge import settle
from xenci.services.consider import consider
from xenci.services.prepare import prepare
from xenci.store.tables import BuildRow, BuildsetRow

Call = Callable[..., Result]


@pytest.fixture
def call(world: World, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Runs a command on the world's database."""
    config = world.folder / "xenci.yaml"
    config.write_text(world.ctx.settings.model_dump_json(exclude_defaults=True))
    monkeypatch.setenv("XENCI_CONFIG", str(config))
    monkeypatch.setenv(world.ctx.settings.database.url_env, world.database.libpq_url)
    return lambda *words: CliRunner().invoke(app, list(words))


def test_events_are_listed_with_what_became_of_each(world: World, call: Call) -> None:
    change = world.gerrit.push().change
    hear(world, "patchset-created", change)
    other = world.gerrit.push(files=("doc/source/index.rst",)).change
    hear(world, "patchset-created", other)
    consider(world.ctx, change)
    told = json.loads(call("event", "list", "--json").stdout)
    assert [(one["change"], one["outcome"]) for one in told] == [
        (f"{other},1", "not looked at yet"),
        (f"{change},1", "Started buildset 1."),
    ]
    assert len(json.loads(call("event", "list", "--json", "--change", str(other)).stdout)) == 1
    assert f"{other},1" in call("event", "list").stdout


def test_a_replayed_event_is_looked_at_again_and_starts_nothing_twice(world: World, call: Call) -> None:
    change = world.gerrit.push().change
    hear(world, "patchset-created", change)
    consider(world.ctx, change)
    told = call("event", "replay", "1")
    assert told.exit_code == 0
    assert f"change {change} is looked at again" in told.stdout
    assert world.nudges("consider") == [change]
    consider(world.ctx, change)
    assert len(world.buildsets()) == 1
    assert json.loads(call("event", "list", "--json").stdout)[0]["outcome"] == "Its run exists already."


def test_an_event_that_is_not_there_is_told(call: Call) -> None:
    assert isinstance(call("event", "replay", "7").exception, NotFound)


def test_a_preview_is_the_very_comment_and_says_where_it_stands(world: World, call: Call) -> None:
    consider(world.ctx, world.gerrit.push().change)
    (new,) = world.buildsets()
    assert "It has not ended: new." in call("report", "preview", str(new.id)).stdout
    prepare(world.ctx, new.id)
    with world.database.session() as session:
        buildset = session.get_one(BuildsetRow, new.id)
        build = session.get_one(BuildRow, buildset.builds[0].id)
        build.state, build.result, build.fault, build.reasons = "done", "FAILURE", "unknown", ["who knows"]
        settle(world.ctx, session, buildset)
    (report,) = world.reports()
    for name in (str(new.id), new.uuid):
        told = call("report", "preview", name).stdout
        assert report.message in told
        assert "no vote, pending" in told
    assert json.loads(call("report", "preview", new.uuid, "--json").stdout)["message"] == report.message
    assert outbox.tag("check") in told


def test_a_buildset_of_which_nothing_is_said_says_why(world: World, call: Call) -> None:
    consider(world.ctx, world.gerrit.push().change)
    with world.database.session() as session:
        row = session.get_one(BuildsetRow, world.buildsets()[0].id)
        row.state, row.result, row.reasons = "done", "MERGE_CONFLICT", ["does not merge"]
    assert "Nothing is said: does not merge" in call("report", "preview", "1").stdout
    assert isinstance(call("report", "preview", "99").exception, NotFound)
