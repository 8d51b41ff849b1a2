"""The command line on rows that the services wrote."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from tests.flows.test_consider import hear
from tests.flows.world import World
from xenci.cli.main import app, run
from xenci.errors import NotFound
from xenci.services import outbox
from xenci.services.advance.judge import settle
from xenci.services.consider import consider
from xenci.services.prepare import prepare
from xenci.store.tables import BuildRow, BuildsetRow, ReportRow

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


def test_what_others_wrote_is_shown_as_text_and_obeyed_by_nobody(world: World, call: Call) -> None:
    consider(world.ctx, world.gerrit.push().change)
    with world.database.session() as session:
        row = session.get_one(BuildsetRow, world.buildsets()[0].id)
        text = "test[id-b953a29e,smoke] x[/b] [/var/lib/x] \x1b[31mred"
        session.add(
            ReportRow(buildset_id=row.id, message="m", tag="t", state="dropped", reason=text, next_at=world.now)
        )
    told = call("report", "list")
    assert told.exit_code == 0, told.output
    assert "test[id-b953a29e,smoke] x[/b] [/var/lib/x] ␛[31mred" in told.stdout


def test_a_vote_that_gerrit_does_not_have_is_told_as_such(world: World, call: Call) -> None:
    change = world.gerrit.push().change
    consider(world.ctx, change)
    with world.database.session() as session:
        row = session.get_one(BuildsetRow, world.buildsets()[0].id)
        row.state, row.result, row.vote = "done", "SUCCESS", 1
        session.add(ReportRow(buildset_id=row.id, message="m", tag="t", state="pending", vote=1, next_at=world.now))
    assert "Verified +1 not posted (pending)" in call("change", "show", str(change)).stdout


@pytest.mark.parametrize("words", [("build", "list", "--limit", "-1"), ("report", "list", "--limit", "0")])
def test_a_limit_that_cannot_be_is_refused(call: Call, words: tuple[str, ...]) -> None:
    assert call(*words).exit_code == 2


def test_a_number_that_no_row_can_have_ends_as_a_sentence(
    call: Call, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call("event", "list")
    monkeypatch.setattr("sys.argv", ["xenci", "change", "show", "99999999999"])
    with pytest.raises(SystemExit) as ended:
        run()
    assert ended.value.code == 2
    assert "The database does not take this value" in capsys.readouterr().err


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


def test_what_the_system_refuses_ends_as_a_sentence(
    world: World, call: Call, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = world.ctx.settings.model_copy(update={"state_dir": Path("/dev/null/state")})
    (world.folder / "xenci.yaml").write_text(settings.model_dump_json(exclude_defaults=True))
    monkeypatch.delenv(settings.database.url_env)
    monkeypatch.setattr("sys.argv", ["xenci", "db", "upgrade"])
    with pytest.raises(SystemExit) as ended:
        run()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "The system refuses" in said
    assert "Traceback" not in said
