"""A job that runs nothing: from Gerrit and back without a node, with a vote only where CIs are tried."""

import pytest
from pydantic import ValidationError

from tests.flows.world import World, make_settings
from xenci.config.models import Job
from xenci.dashboard.queries_readiness import facts_of
from xenci.dashboard.queries_trends import durations, ended_builds
from xenci.services.consider import consider
from xenci.services.prepare import prepare
from xenci.services.report import report

SANDBOX = "opendev/ci-sandbox"


@pytest.fixture
def noop(world: World) -> World:
    """An installation whose only job runs nothing, for Nova and for the sandbox."""
    raw = make_settings(world.folder).model_dump(mode="json", exclude_defaults=True)
    raw["jobs"] = [{"name": "noop", "noop": True}]
    raw["pipelines"][0]["jobs"] = ["noop"]
    raw["pipelines"][0]["trigger"]["projects"] = [f"^{SANDBOX}$", "^openstack/nova$"]
    world.ctx.settings = type(world.ctx.settings).model_validate(raw)
    return world


@pytest.mark.parametrize(("project", "vote"), [(SANDBOX, 1), ("openstack/nova", None)])
def test_it_is_reported_at_once_and_votes_in_a_sandbox_only(noop: World, project: str, vote: int | None) -> None:
    change = noop.gerrit.push(project=project).change
    consider(noop.ctx, change)
    prepare(noop.ctx, noop.buildsets()[0].id)
    (buildset,) = noop.buildsets()
    assert (buildset.state, buildset.result, buildset.vote) == ("done", "SUCCESS", vote)
    assert noop.mirrors.asked == [], "no tree is made for it"
    assert noop.nudges("dispatch") == []
    (waiting,) = noop.reports()
    report(noop.ctx, waiting.id)
    (posted,) = noop.reports()
    assert (posted.state, posted.vote) == ("posted", vote)
    assert "Nothing was run" in posted.message
    assert "Tested:" not in posted.message


def test_it_counts_in_no_criterion_and_in_no_trend(noop: World) -> None:
    for project in (SANDBOX, "openstack/nova"):
        consider(noop.ctx, noop.gerrit.push(project=project).change)
    for buildset in noop.buildsets():
        prepare(noop.ctx, buildset.id)
    for waiting in noop.reports():
        report(noop.ctx, waiting.id)
    assert {one.state for one in noop.reports()} == {"posted"}
    with noop.database.session() as session:
        facts = facts_of(session, noop.ctx.settings, noop.now)
        assert facts.builds == facts.buildsets == ()
        assert facts.last_success_at is None
        assert facts.last_report_at is None
        since = noop.now.replace(year=2020)
        assert ended_builds(session, since=since, job="", branch="", cloud="") == []
        assert durations(session, since=since).runs.count == 0


@pytest.mark.parametrize(
    "wrong", [{"noop": True, "label": "xen"}, {"noop": True, "tests": ["a"]}, {"label": "xen"}, {"tests": ["a"]}, {}]
)
def test_a_job_has_what_it_runs_or_says_that_it_runs_nothing(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="noop"):
        Job.model_validate({"name": "job"} | wrong)
