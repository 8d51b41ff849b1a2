"""From commit messages and parents to the trees that are tested, with real git repositories."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.fake_gerrit import BASE
from tests.contracts.local_host import LocalHost
from tests.flows.world import World, make_settings
from tests.upstream import LIMIT, Upstream, text
from xenci.gerrit.failures import GerritDown
from xenci.gerrit.git import git
from xenci.gerrit.parse import change_ref
from xenci.gerrit.trees import Mirrors
from xenci.model.change import Patchset
from xenci.services.advance import advance
from xenci.services.consider import consider
from xenci.services.listener import keep
from xenci.services.prepare import prepare
from xenci.services.reconcile import reconcile
from xenci.services.renew import MOST, renew
from xenci.services.tidy import tidy
from xenci.store.conflicts import that_do_not_merge
from xenci.store.marks import open_alarms
from xenci.store.tables import BuildRow, BuildsetRow

NOVA, TEMPEST, BRANCH = "openstack/nova", "openstack/tempest", "stable/2025.1"
DRIVER = "nova/driver.py"


@dataclass
class Town:
    """A world whose Gerrit has real repositories behind it."""

    world: World
    repositories: dict[str, Upstream] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for project, branch in ((NOVA, BRANCH), (TEMPEST, "master")):
            self.repositories[project] = one = Upstream(self.world.folder / "git" / project)
            if branch != "master":
                one.git("branch", "-m", "master", branch)
        self.configure()

    def configure(self, **job: Any) -> None:
        """Change the only job, and let its trees be made for real."""
        raw = make_settings(self.world.folder).model_dump(mode="json", exclude_defaults=True)
        raw["gerrit"]["git_url"] = f"{self.world.folder}/git/{{project}}"
        raw["jobs"][0] |= job
        self.world.ctx.settings = type(self.world.ctx.settings).model_validate(raw)
        self.world.ctx.mirrors = Mirrors(self.world.folder / "mirrors")

    def push(
        self,
        files: dict[str, str],
        *,
        project: str = NOVA,
        branch: str = "",
        on: Patchset | None = None,
        depends_on: Sequence[str | Patchset] = (),
        number: int | None = None,
        **more: Any,
    ) -> Patchset:
        """Upload a change with these files, on another one or on the branch's first commit."""
        gerrit, repository = self.world.gerrit, self.repositories[project]
        change = number or max(gerrit.changes, default=0) + 1
        patchset = len(gerrit.changes[change].patchsets) + 1 if number else 1
        parent = on.sha if on else repository.base
        sha = repository.change(
            files,
            on=parent,
            ref=change_ref(change, patchset),
            back_to="master" if project == TEMPEST else BRANCH,
            subject=f"Patch set {change},{patchset}",
        )
        return gerrit.push(
            project=project,
            branch=branch or (BRANCH if project == NOVA else "master"),
            number=number,
            sha=sha,
            parents=(on.sha if on else BASE,),
            depends_on=[what if isinstance(what, str) else f"http://127.0.0.1:1/{what.change}" for what in depends_on],
            **more,
        )

    def move(self, files: dict[str, str], project: str = NOVA) -> str:
        """Let the branch move on; return its tip."""
        return self.repositories[project].commit(files, "The branch moves on")

    def run(self, patchset: Patchset) -> BuildsetRow:
        """Prepare the run of a patch set."""
        consider(self.world.ctx, patchset.change)
        found = next(one for one in reversed(self.world.buildsets()) if one.patchset.change.number == patchset.change)
        prepare(self.world.ctx, found.id)
        return next(one for one in self.world.buildsets() if one.id == found.id)

    def build(self, patchset: Patchset) -> BuildRow:
        (build,) = self.run(patchset).builds
        return build

    def file(self, sha: str | None, path: str = DRIVER, *, project: str = NOVA) -> str:
        mirror = self.world.ctx.mirrors.repository(project)
        return git("show", f"{sha}:{path}", at=mirror, limit=LIMIT).stdout.decode()

    def alarms(self) -> dict[str, str]:
        with self.world.database.session() as session:
            return {alarm.key: alarm.remedy for alarm in open_alarms(session)}

    def conflicting(self) -> list[int]:
        with self.world.database.session() as session:
            return [one.patchset.change.number for one in that_do_not_merge(session)]


@pytest.fixture
def town(world: World) -> Town:
    return Town(world)


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


@pytest.mark.parametrize(
    ("status", "words"), [("ABANDONED", "change 1, which is abandoned"), ("NEW", "a newer one, 2")]
)
def test_a_parent_that_cannot_merge_is_not_tested(town: Town, status: str, words: str) -> None:
    parent = town.push({DRIVER: text(l3="first")})
    child = town.push({DRIVER: text(l3="first", l12="second")}, on=parent)
    grandchild = town.push({DRIVER: text(l3="first", l12="second", l21="third")}, on=child)
    if status == "NEW":
        town.push({DRIVER: text(l3="better")}, number=parent.change)
    else:
        town.world.gerrit.end(parent.change, status)
    assert words in refused(town.run(child))
    assert f"change {child.change}, which it needs, is on top of" in refused(town.run(grandchild))


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
    needed = town.push({DRIVER: text(l3="needed")})
    change = town.push({DRIVER: text(l21="change")})
    first = town.run(change)
    with town.world.database.session() as session:
        build = session.get_one(BuildRow, first.builds[0].id)
        row = session.get_one(BuildsetRow, first.id)
        build.state = row.state = "done"
        build.result = row.result = "SUCCESS"
        build.fault = row.fault = "none"
    same = town.push({DRIVER: text(l21="change")}, number=change.change, kind="NO_CODE_CHANGE")
    copied = town.run(same)
    assert copied.builds == []
    assert "taken over" in str(copied.reasons)
    more = town.push({DRIVER: text(l21="change")}, number=change.change, kind="NO_CODE_CHANGE", depends_on=[needed])
    assert town.file(town.build(more).tree_sha) == text(l3="needed", l21="change")


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
    advance(town.world.ctx, build.id)
    with town.world.database.session() as session:
        assert session.get_one(BuildRow, build.id).step == "nova"
    assert (places[TEMPEST] / DRIVER).read_text() == text(l12="theirs")
    git("cat-file", "-e", f"{build.tree_sha}^{{commit}}", at=places[NOVA], limit=LIMIT)


def test_a_conflict_is_tried_again_when_the_tip_moves_and_only_then(town: Town) -> None:
    change = town.push({DRIVER: text(l3="change")})
    town.move({DRIVER: text(l3="tip")})
    first = town.run(change)
    assert (first.result, town.conflicting()) == ("MERGE_CONFLICT", [change.change])
    for _ in range(3):
        renew(town.world.ctx)
    assert len(town.world.buildsets()) == 1, "the tip is where it was"

    tip = town.move({"README": "elsewhere\n"})
    for _ in range(3):
        renew(town.world.ctx)
    _, second = town.world.buildsets()
    assert (second.trigger, second.trigger_key) == ("tip", f"{change.label}:check:tip:{tip}")
    prepare(town.world.ctx, second.id)
    renew(town.world.ctx)
    _, second = town.world.buildsets()
    assert (second.state, second.result, second.tip_sha) == ("done", "MERGE_CONFLICT", tip)

    town.world.later(hours=1)
    tip = town.move({DRIVER: text()})
    renew(town.world.ctx)
    _, again = town.world.buildsets()
    assert (again.id, again.state, again.result, again.conflict) == (second.id, "new", None, None)
    assert (again.trigger_key, again.triggered_at) == (f"{change.label}:check:tip:{tip}", town.world.now)
    assert town.conflicting() == []
    prepare(town.world.ctx, again.id)
    _, again = town.world.buildsets()
    assert (again.state, again.reasons) == ("running", [])
    assert town.file(again.builds[0].tree_sha) == text(l3="change")
    assert town.world.reports() == []


def test_a_conflict_is_let_go_with_the_change_or_its_patch_set(town: Town) -> None:
    closed, renewed = town.push({DRIVER: text(l3="one")}), town.push({DRIVER: text(l3="two")})
    town.move({DRIVER: text(l3="tip")})
    for change in (closed, renewed):
        assert town.run(change).result == "MERGE_CONFLICT"
    assert town.conflicting() == [renewed.change, closed.change]
    town.world.gerrit.end(closed.change, "ABANDONED")
    consider(town.world.ctx, closed.change)
    town.run(town.push({DRIVER: text(l21="two")}, number=renewed.change))
    assert town.conflicting() == []
    before = len(town.world.buildsets())
    town.move({"README": "elsewhere\n"})
    renew(town.world.ctx)
    assert len(town.world.buildsets()) == before


def test_a_conflict_of_a_needed_change_follows_the_tip_that_it_conflicts_with(town: Town) -> None:
    town.configure(node={"trees": {TEMPEST: "/opt/stack/tempest"}})
    theirs = town.push({DRIVER: text(l3="theirs")}, project=TEMPEST)
    town.move({DRIVER: text(l3="tip")}, project=TEMPEST)
    buildset = town.run(town.push({DRIVER: text(l21="change")}, depends_on=[theirs]))
    assert buildset.result == "MERGE_CONFLICT"
    assert f"change {theirs.change}, which it needs, does not merge" in str(buildset.reasons)
    town.move({"README": "nova moves\n"})
    renew(town.world.ctx)
    assert len(town.world.buildsets()) == 1
    town.move({DRIVER: text()}, project=TEMPEST)
    renew(town.world.ctx)
    assert len(town.world.buildsets()) == 2


def test_a_series_that_does_not_fit_is_tried_again_on_the_next_tip_too(town: Town, tmp_path: Path) -> None:
    repository = town.repositories[NOVA]
    repository.patches(tmp_path / "carry", {DRIVER: text(l20="xen")}, back_to=BRANCH)
    carry = {"project": NOVA, "branch": BRANCH, "series": str(tmp_path / "carry")}
    town.configure(carry=[carry])
    town.move({DRIVER: text(l20="not xen")})
    change = town.push({"README": "x\n"})
    assert town.run(change).result == "CARRY_CONFLICT"
    assert list(town.alarms()) == [f"carry:{NOVA}:{BRANCH}:tip"]
    renew(town.world.ctx)
    assert len(town.world.buildsets()) == 1
    town.move({DRIVER: text()})
    renew(town.world.ctx)
    _, again = town.world.buildsets()
    prepare(town.world.ctx, again.id)
    assert town.world.buildsets()[1].state == "running"
    assert town.alarms() == {}


def test_so_many_are_tried_again_at_once_and_the_others_at_the_next_look(town: Town) -> None:
    changes = [town.push({DRIVER: text(l3=f"change {n}")}) for n in range(MOST + 3)]
    town.move({DRIVER: text(l3="tip")})
    for change in changes:
        town.run(change)
    town.move({"README": "elsewhere\n"})
    renew(town.world.ctx)
    assert len(town.world.buildsets()) == 2 * MOST + 3
    renew(town.world.ctx)
    assert len(town.world.buildsets()) == 2 * (MOST + 3)


def test_a_moved_branch_of_ours_and_each_look_through_changes_ask_for_it(town: Town) -> None:
    world = town.world
    moved = b'{"type":"ref-updated","refUpdate":{"oldRev":"' + b"a" * 40 + b'","newRev":"' + b"b" * 40
    for project, ref in (("openstack/swift", "heads/master"), (NOVA, "changes/01/1/meta"), (NOVA, "tags/1")):
        keep(world.ctx, moved + f'","refName":"refs/{ref}","project":"{project}"}}}}'.encode(), world.now)
    assert world.nudges("renew") == []
    keep(world.ctx, moved + f'","refName":"refs/heads/{BRANCH}","project":"{NOVA}"}}}}'.encode(), world.now)
    assert world.nudges("renew") == [0]
    with world.database.session() as session:
        session.connection().exec_driver_sql("delete from procrastinate_jobs")
    reconcile(world.ctx)
    assert world.nudges("renew") == [0]


def pause(world: World) -> timedelta:
    """Return for how long a preparation is put off, and let its nudge go."""
    with world.database.session() as session:
        connection = session.connection()
        (left,) = connection.exec_driver_sql(
            "delete from procrastinate_jobs where task_name = 'prepare' returning scheduled_at - now()"
        ).scalars()
        assert isinstance(left, timedelta)
        return left


def test_what_cannot_be_prepared_is_an_alarm_and_is_tried_ever_less_often(town: Town) -> None:
    world = town.world
    change = town.push({DRIVER: text(l3="x")})
    town.repositories[NOVA].git("branch", "-m", BRANCH, "other")
    consider(world.ctx, change.change)
    (buildset,) = world.buildsets()
    with world.database.session() as session:
        session.connection().exec_driver_sql("delete from procrastinate_jobs")
    pauses = []
    for _ in range(30):
        prepare(world.ctx, buildset.id)
        pauses.append(round(pause(world).total_seconds()))
        world.later(seconds=pauses[-1])
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (5, 3600)
    assert "can be read by everybody" in town.alarms()[f"tree:{change.change}"]
    (buildset,) = world.buildsets()
    assert buildset.state == "new"
    assert "is tried again" in str(buildset.reasons)
    town.repositories[NOVA].git("branch", "-m", "other", BRANCH)
    prepare(world.ctx, buildset.id)
    assert (world.buildsets()[0].state, world.buildsets()[0].reasons, town.alarms()) == ("running", [], {})


def test_a_broken_mirror_is_an_alarm_until_it_is_removed(town: Town) -> None:
    change = town.push({DRIVER: text(l3="x")})
    mirror = town.world.ctx.mirrors.repository(NOVA)
    mirror.mkdir(parents=True)
    (mirror / "HEAD").write_text("ref: refs/heads/none\n")
    (mirror / "config").write_text("this is no configuration")
    consider(town.world.ctx, change.change)
    town.world.later(minutes=5)
    buildset = town.run(change)
    assert buildset.state == "new"
    assert "made anew" in town.alarms()[f"tree:{change.change}"]
    shutil.rmtree(mirror)
    prepare(town.world.ctx, buildset.id)
    assert (town.world.buildsets()[0].state, town.alarms()) == ("running", {})


def test_its_alarm_ends_with_the_change_too(town: Town) -> None:
    change = town.push({DRIVER: text(l3="x")})
    town.repositories[NOVA].git("branch", "-m", BRANCH, "other")
    town.run(change)
    assert list(town.alarms()) == [f"tree:{change.change}"]
    town.world.gerrit.end(change.change, "ABANDONED")
    consider(town.world.ctx, change.change)
    assert town.alarms() == {}


def test_a_gerrit_that_is_away_for_a_moment_is_no_alarm_and_is_asked_again_soon(town: Town) -> None:
    world, change = town.world, town.push({DRIVER: text(l3="x")})
    consider(world.ctx, change.change)
    (buildset,) = world.buildsets()
    with world.database.session() as session:
        session.connection().exec_driver_sql("delete from procrastinate_jobs")
    world.gerrit.down = GerritDown("refused")
    prepare(world.ctx, buildset.id)
    assert (round(pause(world).total_seconds()), town.alarms()) == (5, {})
    world.later(hours=5)
    prepare(world.ctx, buildset.id)
    assert (round(pause(world).total_seconds()), list(town.alarms())) == (120, [f"tree:{change.change}"])
    world.gerrit.down = None
    prepare(world.ctx, buildset.id)
    assert (world.buildsets()[0].state, town.alarms()) == ("running", {})
