"""A world whose Gerrit has real git repositories behind it, with trees that are made for real."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.contracts.fake_gerrit import BASE
from tests.flows.world import World, make_settings
from tests.upstream import LIMIT, Upstream
from xenci.gerrit.git import git
from xenci.gerrit.parse import change_ref
from xenci.gerrit.trees import Mirrors
from xenci.model.change import Patchset
from xenci.services.consider import consider
from xenci.services.prepare import prepare
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
