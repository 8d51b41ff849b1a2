"""From commit messages and parents to the trees that are tested, with real git repositories."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.contracts.local_host import LocalHost
from tests.flows.town import BRANCH, DRIVER, NOVA, TEMPEST, Town
from tests.upstream import LIMIT, text
from xenci.dashboard.app import create_app
from xenci.gerrit.git import git
from xenci.host.port import CommandFailed
from xenci.model.outcome import Fault, Result, Verdict
from xenci.services.advance import advance
from xenci.services.outbox import message_of
from xenci.services.prepare.needs import MOST
from xenci.services.tidy import tidy
from xenci.store.marks import raise_alarm
from xenci.store.tables import BuildRow, BuildsetRow


def needs(buildset: BuildsetRow) -> list[tuple[int, str, bool]]:
    return [(one["change"], one["how"], one["is_merged_in"]) for one in buildset.needs]


def refused(buildset: BuildsetRow) -> str:
    """Return why a buildset was not run, without a word in Gerrit."""
    assert (buildset.state, buildset.result, buildset.vote) == ("done", "DEPENDENCY_UNMET", None)
    assert (buildset.builds, buildset.reports) == ([], [])
    (reason,) = buildset.reasons
    return str(reason)


def test_parents_are_tested_with_the_change_and_are_in_the_tips_tree(town: Town) -> None:
    first = town.push({DRIVER: text(l3="first")})
    second = town.push({DRIVER: text(l3="first", l12="second")}, on=first)
    third = town.push({DRIVER: text(l3="first", l12="second", l21="third")}, on=second)
    town.move({DRIVER: text(l30="moved on")})
    buildset = town.run(third)
    (build,) = buildset.builds
    assert town.file(build.tree_sha) == text(l3="first", l12="second", l21="third", l30="moved on")
    assert town.file(build.tip_tree_sha) == text(l3="first", l12="second", l30="moved on")
    assert needs(buildset) == [(first.change, "parent", True), (second.change, "parent", True)]


@pytest.mark.parametrize("status", ["ABANDONED", "NEW"])
def test_a_parent_that_cannot_merge_is_tested_as_the_author_pushed_it(town: Town, status: str) -> None:
    """As Zuul's check does: abandoned, or an older patch set of its change."""
    parent = town.push({DRIVER: text(l3="first")})
    child = town.push({DRIVER: text(l3="first", l12="second")}, on=parent)
    grandchild = town.push({DRIVER: text(l3="first", l12="second", l21="third")}, on=child)
    if status == "NEW":
        town.push({DRIVER: text(l3="better")}, number=parent.change)
    else:
        town.world.gerrit.end(parent.change, status)
    buildset = town.run(grandchild)
    (build,) = buildset.builds
    assert town.file(build.tree_sha) == text(l3="first", l12="second", l21="third")
    assert town.file(build.tip_tree_sha) == text(l3="first", l12="second")
    assert [one["patchset"] for one in buildset.needs] == [1, 1]
    assert needs(buildset) == [(parent.change, "parent", True), (child.change, "parent", True)]


def test_what_a_parent_breaks_that_gerrit_does_not_show_is_not_the_childs(town: Town) -> None:
    """A private change, or one that Gerrit's index has lost: merging the child brings it in all the same."""
    parent = town.push({DRIVER: text(l3="hidden")})
    child = town.push({DRIVER: text(l3="hidden", l12="child")}, on=parent)
    del town.world.gerrit.changes[parent.change]
    town.move({DRIVER: text(l30="moved on")})
    buildset = town.run(child)
    (build,) = buildset.builds
    assert town.file(build.tree_sha) == text(l3="hidden", l12="child", l30="moved on")
    assert town.file(build.tip_tree_sha) == text(l3="hidden", l30="moved on")
    assert buildset.needs == []


def test_a_merged_parent_is_the_branchs(town: Town) -> None:
    parent = town.push({DRIVER: text(l3="first")})
    child = town.push({DRIVER: text(l3="first", l12="second")}, on=parent)
    town.repositories[NOVA].git("merge", "-q", "--ff-only", parent.sha)
    town.world.gerrit.end(parent.change, "MERGED")
    buildset = town.run(child)
    assert (buildset.needs, buildset.tip_sha, buildset.merged_sha) == ([], parent.sha, child.sha)
    assert buildset.builds[0].tip_tree_sha == parent.sha


def test_what_messages_name_is_merged_first_with_what_it_needs_itself(town: Town) -> None:
    deep = town.push({DRIVER: text(l3="deep")})
    by_key = town.push({DRIVER: text(l12="by key")}, depends_on=[deep])
    merged = town.push({"README": "merged\n"})
    town.world.gerrit.end(merged.change, "MERGED")
    address = f"http://127.0.0.1:1/c/{NOVA}/+/{merged.change}"
    change = town.push({DRIVER: text(l21="change")}, depends_on=[by_key.key, address, "https://github.com/o/n/pull/9"])
    buildset = town.run(change)
    (build,) = buildset.builds
    assert town.file(build.tree_sha) == text(l3="deep", l12="by key", l21="change")
    assert town.file(build.tip_tree_sha) == text(l3="deep", l12="by key")
    assert town.file(build.tree_sha, "README") == "read me\n"
    assert needs(buildset) == [(deep.change, "depends-on", True), (by_key.change, "depends-on", True)]


def test_another_projects_change_gets_a_tree_of_its_own(town: Town) -> None:
    town.configure(node={"trees": {TEMPEST: "/opt/stack/tempest"}})
    below = town.push({DRIVER: text(l3="below")}, project=TEMPEST)
    theirs = town.push({DRIVER: text(l3="below", l12="theirs")}, project=TEMPEST, on=below)
    town.move({"README": "newer\n"}, project=TEMPEST)
    change = town.push({DRIVER: text(l21="change")}, depends_on=[theirs])
    buildset = town.run(change)
    (build,) = buildset.builds
    assert town.file(build.tree_sha) == text(l21="change")
    (other,) = build.other_trees
    assert (other["project"], other["branch"]) == (TEMPEST, "master"), "it has no such branch as the change's"
    assert other["changes"] == [below.label, theirs.label]
    assert town.file(other["tree_sha"], project=TEMPEST) == text(l3="below", l12="theirs")
    assert town.file(other["tree_sha"], "README", project=TEMPEST) == "newer\n"
    tidy(town.world.ctx)
    assert town.world.ctx.mirrors.names(TEMPEST) == {f"buildset-{buildset.id}-xen-tempest"}


def test_another_project_is_tested_from_the_changes_branch_where_it_has_it(town: Town) -> None:
    town.configure(node={"trees": {TEMPEST: "/opt/stack/tempest"}})
    town.repositories[TEMPEST].git("branch", BRANCH)
    master = town.push({DRIVER: text(l3="master")}, project=TEMPEST)
    backport = town.push({DRIVER: text(l12="backport")}, project=TEMPEST, branch=BRANCH)
    only_master = town.run(town.push({DRIVER: text(l21="one")}, depends_on=[master]))
    assert (only_master.builds[0].other_trees, needs(only_master)) == ([], [(master.change, "depends-on", False)])
    (other,) = town.build(town.push({DRIVER: text(l21="two")}, depends_on=[master, backport])).other_trees
    assert (other["branch"], other["changes"]) == (BRANCH, [backport.label])


def test_a_project_without_a_place_on_the_node_is_not_tested_wrongly(town: Town) -> None:
    theirs = town.push({DRIVER: text(l3="theirs")}, project=TEMPEST)
    reason = refused(town.run(town.push({DRIVER: text(l21="change")}, depends_on=[theirs])))
    assert f"cannot put a tree of {TEMPEST} onto the node" in reason
    assert str(theirs.change) in reason


def test_a_project_without_a_place_need_not_be_served_by_git(town: Town) -> None:
    theirs = town.push({DRIVER: text(l3="theirs")}, project=TEMPEST)
    change = town.push({DRIVER: text(l21="change")}, depends_on=[theirs])
    town.repositories[TEMPEST].folder.rename(town.world.folder / "away")
    reason = refused(town.run(change))
    assert f"cannot put a tree of {TEMPEST} onto the node, and the change needs {theirs.change} of it" in reason
    assert town.alarms() == {}


def test_a_message_that_names_too_many_is_refused_before_any_is_asked_for(town: Town) -> None:
    named = [f"http://127.0.0.1:1/{number}" for number in range(1000, 1001 + MOST)]
    change = town.push({DRIVER: text(l3="x")}, depends_on=named)
    assert refused(town.run(change)) == f"the change depends on more than {MOST} others"
    enough = town.push({DRIVER: text(l3="y")}, depends_on=named[1:])
    assert refused(town.run(enough)) == "the change depends on change 1001, which Gerrit does not show"


def test_changes_that_depend_on_each_other_are_refused(town: Town) -> None:
    first = town.push({DRIVER: text(l3="first")})
    second = town.push({DRIVER: text(l3="first", l12="second")}, on=first)
    town.push({DRIVER: text(l3="first")}, number=first.change, depends_on=[second])
    alone = town.push({DRIVER: text(l21="x")}, depends_on=["http://127.0.0.1:1/3"])
    assert alone.change == 3
    assert refused(town.run(alone)) == "changes depend on each other: 3 needs 3"
    one = town.push({DRIVER: text(l3="one")}, depends_on=["http://127.0.0.1:1/5"])
    town.push({DRIVER: text(l12="two")}, depends_on=[one])
    assert refused(town.run(one)) == "changes depend on each other: 4 needs 5 needs 4"


def test_a_change_that_nobody_knows_or_wants_is_not_left_out_silently(town: Town) -> None:
    unknown = town.push({DRIVER: text(l3="x")}, depends_on=["http://127.0.0.1:1/4711"])
    assert refused(town.run(unknown)) == "the change depends on change 4711, which Gerrit does not show"
    key = "I" + "f" * 40
    assert key in refused(town.run(town.push({DRIVER: text(l3="y")}, depends_on=[key])))
    ended = town.push({DRIVER: text(l12="z")})
    town.world.gerrit.end(ended.change, "ABANDONED")
    assert refused(town.run(town.push({DRIVER: text(l3="z")}, depends_on=[ended]))).endswith("which is abandoned")


def test_a_verdict_is_not_taken_over_by_a_message_that_names_more(town: Town) -> None:
    raw = town.world.ctx.settings.model_dump(mode="json", exclude_defaults=True)
    raw["pipelines"][0]["trigger"]["copy_verdict"] = ["NO_CODE_CHANGE"]
    town.world.ctx.settings = type(town.world.ctx.settings).model_validate(raw)
    needed, parent = town.push({DRIVER: text(l3="needed")}), town.push({DRIVER: text(l12="parent")})
    change = town.push({DRIVER: text(l12="parent", l21="change")}, on=parent)
    first = town.run(change)
    with town.world.database.session() as session:
        build = session.get_one(BuildRow, first.builds[0].id)
        row = session.get_one(BuildsetRow, first.id)
        build.state = row.state = "done"
        build.result = row.result = "SUCCESS"
        build.fault = row.fault = "none"
    again = {"number": change.change, "kind": "NO_CODE_CHANGE", "on": parent}
    same = town.push({DRIVER: text(l12="parent", l21="change")}, **again)
    with town.world.database.session() as session:
        raise_alarm(session, f"tree:{change.change}", brief="The tree cannot be made", at=town.world.now)
    copied = town.run(same)
    assert copied.builds == []
    assert "taken over" in str(copied.reasons)
    assert f"after what it needs: {parent.label}" in copied.reports[0].message
    assert needs(copied) == [(parent.change, "parent", True)]
    assert town.alarms() == {}
    more = town.push({DRIVER: text(l12="parent", l21="change")}, depends_on=[needed], **again)
    assert town.file(town.build(more).tree_sha) == text(l3="needed", l12="parent", l21="change")


def test_trees_of_other_projects_are_put_where_the_contract_says(town: Town, tmp_path: Path) -> None:
    places = {NOVA: tmp_path / "stack" / "nova", TEMPEST: tmp_path / "stack" / "tempest"}
    for project, place in places.items():
        place.parent.mkdir(exist_ok=True)
        git("clone", "-q", str(town.repositories[project].folder), str(place), at=tmp_path, limit=LIMIT)
    town.configure(node={"tree": str(places[NOVA]), "trees": {TEMPEST: str(places[TEMPEST])}})
    theirs = town.push({DRIVER: text(l12="theirs")}, project=TEMPEST)
    build = town.build(town.push({DRIVER: text(l21="change")}, depends_on=[theirs]))
    town.world.ctx.hosts._connect = lambda *_: LocalHost(tmp_path / "host")
    town.world.give_node(build.id)
    # the trees are there; to start Nova takes a node
    with pytest.raises(CommandFailed, match="nova-first"):
        advance(town.world.ctx, build.id)
    with town.world.database.session() as session:
        assert session.get_one(BuildRow, build.id).step == "nova"
    assert (places[TEMPEST] / DRIVER).read_text() == text(l12="theirs")
    git("cat-file", "-e", f"{build.tree_sha}^{{commit}}", at=places[NOVA], limit=LIMIT)


def test_what_was_merged_before_a_change_is_told_in_the_comment_and_on_the_pages(town: Town) -> None:
    town.configure(node={"trees": {TEMPEST: "/opt/stack/tempest"}})
    theirs = town.push({DRIVER: text(l12="theirs")}, project=TEMPEST)
    parent = town.push({DRIVER: text(l3="parent")})
    change = town.push({DRIVER: text(l3="parent", l21="change")}, on=parent, depends_on=[theirs])
    buildset = town.run(change)
    with town.world.database.session() as session:
        row = session.get_one(BuildsetRow, buildset.id)
        verdict = Verdict(result=Result.SUCCESS, fault=Fault.NONE)
        comment = message_of(town.world.ctx, session, row, row.builds, verdict)
    assert f", after what it needs: {parent.label}, {theirs.label}, nothing carried." in comment
    with TestClient(create_app(town.world.ctx.settings, town.world.database, lambda: town.world.now)) as client:
        page = client.get(f"/build/{buildset.builds[0].uuid}").text
        assert f'href="/change/{parent.change}">{parent.label}</a> parent' in page
        assert f'href="/change/{theirs.change}">{theirs.label}</a> Depends-On, <code>{TEMPEST}</code>' in page
        assert f"Tree of {TEMPEST}" in page
        assert f"git merge --no-edit {theirs.sha}" in page
        assert "git -C /opt/stack/tempest checkout" in page
        assert f"{parent.label}</a> parent" in client.get(f"/buildset/{buildset.uuid}").text
        twin = client.get(f"/api/build/{buildset.builds[0].uuid}").json()["build"]
        assert [one["project"] for one in twin["other_trees"]] == [TEMPEST]
        assert [one["change"] for one in twin["needs"]] == [parent.change, theirs.change]


def test_why_a_change_is_not_run_is_on_its_page(town: Town) -> None:
    change = town.push({DRIVER: text(l3="x")}, depends_on=["http://127.0.0.1:1/4711"])
    town.run(change)
    with TestClient(create_app(town.world.ctx.settings, town.world.database, lambda: town.world.now)) as client:
        page = client.get(f"/change/{change.change}").text
    assert "DEPENDENCY_UNMET" in page
    assert "The change depends on change 4711, which Gerrit does not show." in page
