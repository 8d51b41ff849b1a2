"""Tables of what ran: buildsets, builds with all that was seen of them, and the reports on them."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint, func
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column, relationship

from xenci.store.tables.metadata import Base

if TYPE_CHECKING:
    from xenci.store.tables.gerrit import PatchsetRow
    from xenci.store.tables.nodes import NodeRow


class BuildsetRow(Base):
    """All builds for one trigger."""

    __tablename__ = "buildsets"

    id: Mapped[int] = mapped_column(primary_key=True)
    patchset_id: Mapped[int] = mapped_column(ForeignKey("patchsets.id"), index=True)
    pipeline: Mapped[str]
    #: TriggerKind
    trigger: Mapped[str]
    #: `CHANGE,PATCHSET:PIPELINE:upload` or `…:MESSAGE-ID`: the same trigger seen twice is one buildset
    trigger_key: Mapped[str] = mapped_column(unique=True)
    #: who asked, for rechecks and operators
    asked_by: Mapped[str] = mapped_column(server_default="")
    #: FoundBy: what announced the trigger to us
    found_by: Mapped[str] = mapped_column(server_default="stream")
    #: random part of its address: nobody guesses another's link, and our link in a comment is found by it
    uuid: Mapped[str] = mapped_column(unique=True)
    #: BuildsetState
    state: Mapped[str] = mapped_column(index=True)
    #: Result, Fault and Verified value, when done
    result: Mapped[str | None]
    fault: Mapped[str | None]
    vote: Mapped[int | None]
    reasons: Mapped[list[Any]] = mapped_column(server_default=sql("'[]'"))
    #: when the trigger happened in Gerrit
    triggered_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]
    #: commits of the branch's tip, of the change merged with it, and of each with the carry on top
    tip_sha: Mapped[str | None]
    merged_sha: Mapped[str | None]
    #: {"PROJECT": ["subject", …]} of the carried commits, per job in `builds.carry`
    conflict: Mapped[dict[str, Any] | None]
    #: the changes that it needs, in the order of their merging:
    #: [{"change": 1, "patchset": 2, "sha": .., "project": .., "branch": .., "how": "parent", "is_merged_in": true}]
    needs: Mapped[list[Any]] = mapped_column(server_default=sql("'[]'"))

    patchset: Mapped["PatchsetRow"] = relationship(back_populates="buildsets")
    builds: Mapped[list["BuildRow"]] = relationship(back_populates="buildset", order_by="BuildRow.id")
    reports: Mapped[list["ReportRow"]] = relationship(back_populates="buildset", order_by="ReportRow.id")


class BuildRow(Base):
    """One attempt at one job on one node."""

    __tablename__ = "builds"
    __table_args__ = (UniqueConstraint("buildset_id", "job", "attempt"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    buildset_id: Mapped[int] = mapped_column(ForeignKey("buildsets.id"), index=True)
    job: Mapped[str]
    attempt: Mapped[int]
    uuid: Mapped[str] = mapped_column(unique=True)
    #: BuildState
    state: Mapped[str] = mapped_column(index=True)
    #: where it is in its course: see xenci/services/advance.py
    step: Mapped[str] = mapped_column(server_default="")
    #: a sentence for people about what happens now
    doing: Mapped[str] = mapped_column(server_default="")
    node_id: Mapped[int | None] = mapped_column(ForeignKey("nodes.id"), index=True)
    result: Mapped[str | None]
    fault: Mapped[str | None]
    reasons: Mapped[list[Any]] = mapped_column(server_default=sql("'[]'"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    #: when it got its node
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    #: a person, or a newer patch set, wants it ended: the reason
    cancel: Mapped[str | None]
    #: commit pushed onto the node: the change merged with the tip, with the carry
    tree_sha: Mapped[str | None]
    #: the same without the change
    tip_tree_sha: Mapped[str | None]
    #: subjects of the carried commits
    carry: Mapped[list[Any]] = mapped_column(server_default=sql("'[]'"))
    #: trees of other projects that have changes that it needs:
    #: [{"project": .., "branch": .., "tip_sha": .., "tree_sha": .., "changes": ["901233,2"]}]
    other_trees: Mapped[list[Any]] = mapped_column(server_default=sql("'[]'"))
    #: proof of the tree under test: what nova-renew told, and whether it agrees
    proof: Mapped[dict[str, Any] | None]
    #: ids of tests that the job's list asks for and that were seen, counted per run: {"first": {"passed": 3, ..}}
    counts: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))
    #: what advance() needs to remember between its steps (offsets of followed files, tries)
    memory: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))

    buildset: Mapped[BuildsetRow] = relationship(back_populates="builds")
    node: Mapped["NodeRow | None"] = relationship(foreign_keys=[node_id])
    phases: Mapped[list["PhaseRow"]] = relationship(back_populates="build", order_by="PhaseRow.id")
    tests: Mapped[list["TestRow"]] = relationship(back_populates="build", order_by="TestRow.id")
    evidence: Mapped[list["EvidenceRow"]] = relationship(back_populates="build", order_by="EvidenceRow.id")
    artifacts: Mapped[list["ArtifactRow"]] = relationship(back_populates="build", order_by="ArtifactRow.name")


class PhaseRow(Base):
    """A phase of a build, on a run: from when to when, under which unit, with which exit code."""

    __tablename__ = "phases"
    __table_args__ = (UniqueConstraint("build_id", "phase", "run"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    build_id: Mapped[int] = mapped_column(ForeignKey("builds.id"))
    #: Phase and Run
    phase: Mapped[str]
    run: Mapped[str]
    #: the detached unit's name; empty for phases that are calls of ours
    unit: Mapped[str] = mapped_column(server_default="")
    started_at: Mapped[datetime]
    deadline_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    exit_code: Mapped[int | None]
    #: a sentence about how it ended
    outcome: Mapped[str] = mapped_column(server_default="")

    build: Mapped[BuildRow] = relationship(back_populates="phases")


class TestRow(Base):
    """One test of one run."""

    __test__ = False
    __tablename__ = "tests"
    __table_args__ = (UniqueConstraint("build_id", "run", "test_id"), Index("ix_tests_test_id", "test_id"))

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    build_id: Mapped[int] = mapped_column(ForeignKey("builds.id"))
    run: Mapped[str]
    test_id: Mapped[str]
    #: TestStatus
    status: Mapped[str]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    detail: Mapped[str] = mapped_column(server_default="")

    build: Mapped[BuildRow] = relationship(back_populates="tests")


class EvidenceRow(Base):
    """Proof that the hypervisor under test was Xen."""

    __tablename__ = "evidence"

    id: Mapped[int] = mapped_column(primary_key=True)
    build_id: Mapped[int] = mapped_column(ForeignKey("builds.id"))
    #: `host` (libvirt and xl agree on Xen), `guest` (a domain whose UUID is a server of this run)
    kind: Mapped[str]
    seen_at: Mapped[datetime]
    content: Mapped[dict[str, Any]]

    build: Mapped[BuildRow] = relationship(back_populates="evidence")


class ArtifactRow(Base):
    """A file of a build, as it lies in the artifact store."""

    __tablename__ = "artifacts"
    __table_args__ = (UniqueConstraint("build_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    build_id: Mapped[int] = mapped_column(ForeignKey("builds.id"))
    #: relative name with `/`
    name: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    #: the node's file was larger than the limit and was cut
    is_cut: Mapped[bool] = mapped_column(server_default=sql("false"))
    stored_at: Mapped[datetime] = mapped_column(server_default=func.now())

    build: Mapped[BuildRow] = relationship(back_populates="artifacts")


class ReportRow(Base):
    """A comment for Gerrit: the outbox."""

    __tablename__ = "reports"
    __table_args__ = (UniqueConstraint("buildset_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    buildset_id: Mapped[int] = mapped_column(ForeignKey("buildsets.id"))
    message: Mapped[str]
    vote: Mapped[int | None]
    tag: Mapped[str]
    #: ReportState
    state: Mapped[str] = mapped_column(index=True)
    #: why it was dropped, or what the last try met
    reason: Mapped[str] = mapped_column(server_default="")
    attempts: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    next_at: Mapped[datetime]
    posted_at: Mapped[datetime | None]
    #: Gerrit's id of our message
    message_id: Mapped[str | None]

    buildset: Mapped[BuildsetRow] = relationship(back_populates="reports")
