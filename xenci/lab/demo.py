"""The main job, shown: two changes are pushed to the lab's Gerrit, and what becomes of them is told line by line.

Everything that it prints is read back: from xenci's rows, and in the end from Gerrit itself. It ends with an error if a
change does not get the vote that it deserves.
"""

import getpass
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from xenci.config.load import load
from xenci.errors import Permanent
from xenci.lab import gerrit, push, world
from xenci.lab.gerrit import review
from xenci.lab.paths import LabPaths
from xenci.lab.progress import say
from xenci.lab.push import Pushed
from xenci.store.database import Database, open_database
from xenci.store.tables import BuildsetRow, ChangeRow, EvidenceRow, NodeRow, PatchsetRow

#: the changes of the demo, and the votes that they deserve
CHANGES: Mapping[str, int] = {"good": 1, "bad": -1}
#: Gerrit's topic of both
TOPIC = "xenci-demo"
_LOOK = 2.0
#: how long the demo waits for both votes, seconds: two emulated machines on two slow cores take their time
PATIENCE = 75 * 60.0


class DemoFailed(Permanent):
    """The demo did not end as it should."""


@dataclass(slots=True, kw_only=True)
class Follower:
    """What was told already about the changes."""

    told: set[str] = field(default_factory=set)
    doing: dict[int, str] = field(default_factory=dict)

    def tell(self, session: Session, pushed: Mapping[str, Pushed]) -> None:
        """Print what is new in the rows."""
        for node in session.scalars(select(NodeRow).order_by(NodeRow.id)):
            if node.state != "deleted" or f"node {node.id}" in self.told:
                self.told.add(f"node {node.id}")
                self._once(
                    f"node {node.id} {node.state}", f"node    {node.name} on cloud {node.provider}: {_node(node)}"
                )
        for kind, change in pushed.items():
            for buildset in _buildsets(session, change.number):
                self._buildset(session, kind, buildset)

    def _buildset(self, session: Session, kind: str, buildset: BuildsetRow) -> None:
        self._once(f"set {buildset.id}", f"{kind:<7} Gerrit's event was heard: buildset {buildset.id}")
        if buildset.merged_sha and buildset.tip_sha:
            tip, merged = buildset.tip_sha[:10], buildset.merged_sha[:10]
            carried = len(buildset.builds[0].carry) if buildset.builds else 0
            self._once(
                f"tree {buildset.id}",
                f"{kind:<7} merged with the branch's tip {tip} as {merged}, {carried} carried commits on top",
            )
        for build in buildset.builds:
            if build.doing and self.doing.get(build.id) != build.doing:
                self.doing[build.id] = build.doing
                say(f"{kind:<7} build {build.id}: {_short(build.doing)}")
            for evidence in session.scalars(select(EvidenceRow).where(EvidenceRow.build_id == build.id)):
                self._once(f"evidence {evidence.id}", f"{kind:<7} build {build.id}: {_evidence(evidence)}")
            if build.result:
                words = " ".join(str(reason) for reason in build.reasons)
                self._once(
                    f"end {build.id}", f"{kind:<7} build {build.id}: {build.result}, fault {build.fault}. {words}"
                )

    def _once(self, key: str, text: str) -> None:
        if key not in self.told:
            self.told.add(key)
            say(text)


def run(paths: LabPaths) -> None:
    """Bring everything up, push the changes, follow them to their votes. Raises DemoFailed."""
    world.up(paths)
    settings = load(paths.config)
    web = settings.web.public_url
    say(f"watch it at {web}builds")
    _withdraw_earlier(paths)
    pushed = {kind: push.push(paths, kind, topic=TOPIC) for kind in CHANGES}
    for kind, change in pushed.items():
        say(f"{kind:<7} pushed: {change.url}")
    database = open_database(settings)
    try:
        votes = follow(paths, database, pushed)
        _sum_up(paths, database, pushed, web)
    finally:
        database.dispose()
    wrong = [
        f"{kind}: {votes.get(kind)} instead of {want:+d}" for kind, want in CHANGES.items() if votes.get(kind) != want
    ]
    if wrong:
        raise DemoFailed("; ".join(wrong), remedy=f"{web}builds and {web}health tell why")


def _withdraw_earlier(paths: LabPaths) -> None:
    """Abandon what earlier demos pushed: what was interrupted then would be tested first now."""
    for change in review.open_changes(paths, topic=TOPIC):
        review.abandon(paths, change)
        say(f"change {change} of an earlier demo is abandoned")


def follow(
    paths: LabPaths, database: Database, pushed: Mapping[str, Pushed], *, patience: float = PATIENCE
) -> dict[str, int]:
    """Tell what happens until Gerrit shows our vote on each change; return the votes by kind. Raises DemoFailed."""
    follower = Follower()
    limit = time.monotonic() + patience
    votes: dict[str, int] = {}
    while len(votes) < len(pushed):
        with database.session() as session:
            follower.tell(session, pushed)
            done = {kind: _is_said(session, change.number) for kind, change in pushed.items()}
        for kind, change in pushed.items():
            if done[kind] and kind not in votes:
                votes[kind] = review.votes(paths, change.number).get("xen-project-ci", 0)
                say(f"{kind:<7} Gerrit shows Verified {votes[kind]:+d} by Xen Project CI: {change.url}")
        if time.monotonic() > limit:
            raise DemoFailed(f"no vote within {patience / 60:.0f} min", remedy="xenci build list; xenci doctor")
        time.sleep(_LOOK)
    return votes


def _sum_up(paths: LabPaths, database: Database, pushed: Mapping[str, Pushed], web: str) -> None:
    say("")
    with database.session() as session:
        for kind, change in pushed.items():
            for buildset in _buildsets(session, change.number):
                posted = next((report.posted_at for report in buildset.reports if report.posted_at), None)
                say(f"{kind}: {_took(buildset, posted)}")
                for report in buildset.reports:
                    for line in report.message.splitlines():
                        say(f"    {line}")
    say("")
    for line in _addresses(paths, web):
        say(line)


def _addresses(paths: LabPaths, web: str) -> Iterator[str]:
    yield f"Dashboard   {web}            readiness for Group B and A; {web}builds  {web}trends  {web}nodes  {web}health"
    yield f"Gerrit      {gerrit.url(paths)}   (sign in as anybody: {gerrit.url(paths)}login)"
    yield "To try      xenci lab push good|bad|docs|conflict|carry-conflict     xenci build list     xenci node list"
    yield "            write `recheck` on a change in Gerrit                     xenci report pause   xenci lab status"
    yield f"            in another terminal, as {getpass.getuser()}; xenci is {sys.argv[0]}"
    yield f"Configured  in {paths.config}"


def _took(buildset: BuildsetRow, posted: datetime | None) -> str:
    if posted is None:
        return f"{buildset.result}, nothing posted"
    whole = (posted - buildset.triggered_at).total_seconds()
    phases = sum(
        (phase.finished_at - phase.started_at).total_seconds()
        for build in buildset.builds
        for phase in build.phases
        if phase.finished_at
    )
    waited = sum((build.started_at - build.created_at).total_seconds() for build in buildset.builds if build.started_at)
    return (
        f"event to vote {whole:.0f} s, of it {phases:.0f} s the build's phases and {waited:.0f} s waiting for a node, "
        f"so {whole - phases - waited:.0f} s are xenci's own"
    )


def _buildsets(session: Session, change: int) -> list[BuildsetRow]:
    query = select(BuildsetRow).join(PatchsetRow).join(ChangeRow).where(ChangeRow.number == change)
    return list(session.scalars(query.order_by(BuildsetRow.id)))


def _is_said(session: Session, change: int) -> bool:
    """Tell whether all that runs for a change has ended, and been said in Gerrit if it was to be."""
    buildsets = _buildsets(session, change)
    return bool(buildsets) and all(
        buildset.result is not None and all(report.state != "pending" for report in buildset.reports)
        for buildset in buildsets
    )


def _node(node: NodeRow) -> str:
    facts = node.facts or {}
    words = {
        "building": "server asked of the cloud",
        "testing": f"answers over SSH at {node.address}; is it a Xen host?",
        "ready": f"a Xen {facts.get('xen_version')} host, proved through libvirt {facts.get('libvirt_version')}",
        "in-use": f"runs build {node.build_id}",
    }
    return words.get(node.state, f"{node.state}{': ' + node.reason if node.reason else ''}")


def _evidence(evidence: EvidenceRow) -> str:
    content = evidence.content
    if evidence.kind == "guest":
        return f"libvirt shows {content.get('name')}, a guest of this run on Xen ({content.get('uuid')})"
    return f"its host is Xen {content.get('xen_version')} by xl and libvirt"


def _short(text: str) -> str:
    return text if len(text) < 150 else text[:147] + "..."
