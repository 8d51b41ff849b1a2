"""The tables: facts as rows. State is derived from them, so a row says what happened and when, not what to do next.

Names of enumerations are stored as text, checked by the program: a new member needs no migration. Times are aware.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, ForeignKey, Index, String, Text, UniqueConstraint, func
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """All tables of xenci; Procrastinate's are its own."""

    type_annotation_map = {  # noqa: RUF012
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
        str: Text,
    }


class ChangeRow(Base):
    """A change in Gerrit."""

    __tablename__ = "changes"

    id: Mapped[int] = mapped_column(primary_key=True)
    #: Gerrit's number
    number: Mapped[int] = mapped_column(unique=True)
    project: Mapped[str]
    branch: Mapped[str]
    #: Change-Id of the commit message
    key: Mapped[str]
    subject: Mapped[str]
    owner: Mapped[str] = mapped_column(server_default="")
    #: NEW MERGED ABANDONED
    status: Mapped[str] = mapped_column(server_default="NEW")
    wip: Mapped[bool] = mapped_column(server_default=sql("false"))
    private: Mapped[bool] = mapped_column(server_default=sql("false"))
    topic: Mapped[str] = mapped_column(server_default="")
    url: Mapped[str] = mapped_column(server_default="")
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())

    patchsets: Mapped[list["PatchsetRow"]] = relationship(back_populates="change", order_by="PatchsetRow.number")


class PatchsetRow(Base):
    """A patch set, and what became of it: `not_run` says in a sentence why nothing runs for it."""

    __tablename__ = "patchsets"
    __table_args__ = (UniqueConstraint("change_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    change_id: Mapped[int] = mapped_column(ForeignKey("changes.id"))
    number: Mapped[int]
    sha: Mapped[str]
    ref: Mapped[str]
    kind: Mapped[str] = mapped_column(server_default="REWORK")
    files: Mapped[list[Any]] = mapped_column(server_default=sql("'[]'"))
    uploaded_at: Mapped[datetime]
    #: why no pipeline runs it, e.g. "only documentation files"; NULL if one does
    not_run: Mapped[str | None]
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())

    change: Mapped[ChangeRow] = relationship(back_populates="patchsets")
    buildsets: Mapped[list["BuildsetRow"]] = relationship(back_populates="patchset", order_by="BuildsetRow.id")


class EventRow(Base):
    """A line of the event stream, or a finding of the reconciliation, and what became of it."""

    __tablename__ = "events"
    __table_args__ = (Index("ix_events_received_at", "received_at"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    received_at: Mapped[datetime]
    #: FoundBy
    source: Mapped[str]
    #: Gerrit's event type
    type: Mapped[str]
    payload: Mapped[dict[str, Any]]
    #: the change's number, if the event tells one
    change: Mapped[int | None] = mapped_column(index=True)
    patchset: Mapped[int | None]
    #: what became of it, in a sentence; NULL until it was handled
    outcome: Mapped[str | None]


class CommentRow(Base):
    """A message in Gerrit that matters: one that asks for a run, or one of our own."""

    __tablename__ = "comments"
    __table_args__ = (UniqueConstraint("change", "message_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    change: Mapped[int] = mapped_column(index=True)
    patchset: Mapped[int]
    message_id: Mapped[str]
    author: Mapped[str]
    posted_at: Mapped[datetime]
    #: `recheck` or `ours`
    kind: Mapped[str]
    text: Mapped[str]
    #: whether the patch set was current and the change open when it was read
    is_eligible: Mapped[bool] = mapped_column(server_default=sql("true"))


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

    patchset: Mapped[PatchsetRow] = relationship(back_populates="buildsets")
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


class NodeRow(Base):
    """A server that becomes a Xen host. A retry on another provider is a new node."""

    __tablename__ = "nodes"

    id: Mapped[int] = mapped_column(primary_key=True)
    #: `SYSTEM-NODE-NNNNNN`: the server's name
    name: Mapped[str] = mapped_column(unique=True)
    label: Mapped[str]
    provider: Mapped[str]
    #: NodeState
    state: Mapped[str] = mapped_column(index=True)
    #: a sentence about why it is in this state
    reason: Mapped[str] = mapped_column(server_default="")
    server_id: Mapped[str | None]
    address: Mapped[str | None]
    #: SSH host key that the console told, `ssh-ed25519 AAAA…`
    host_key: Mapped[str | None]
    #: LaunchFailure, if the launch failed, and when
    failure: Mapped[str | None]
    failed_at: Mapped[datetime | None]
    #: facts proved when it became ready: xl info, libvirt's version and URI
    facts: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))
    #: the build that it runs or ran; one use per node
    build_id: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    active_at: Mapped[datetime | None]
    ssh_at: Mapped[datetime | None]
    ready_at: Mapped[datetime | None]
    state_at: Mapped[datetime] = mapped_column(server_default=func.now())
    #: when the cloud first listed its servers without this one; NULL while it lists it
    missing_at: Mapped[datetime | None]
    #: when the cloud was last asked to delete the server
    delete_asked_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]


class ProviderRow(Base):
    """What a provider last told: whether it answers, how many servers of ours it has and how many we may have."""

    __tablename__ = "providers"

    #: the provider's name in our configuration
    name: Mapped[str] = mapped_column(String, primary_key=True)
    #: when it last listed its servers
    listed_at: Mapped[datetime | None]
    #: servers of ours in that list
    servers: Mapped[int] = mapped_column(server_default="0")
    #: servers that its quota lets us have, with those that we have; NULL if it names no limit
    quota: Mapped[int | None]
    #: when its limits were last read
    limits_at: Mapped[datetime | None]
    #: since when it does not answer; NULL while it does
    failing_since: Mapped[datetime | None]
    #: the last error, in a sentence, and what to do about it
    error: Mapped[str] = mapped_column(server_default="")
    remedy: Mapped[str] = mapped_column(server_default="")


class StrayRow(Base):
    """A server that carries our name and that no row accounts for; deleted once it was seen twice and is old enough."""

    __tablename__ = "strays"
    __table_args__ = (UniqueConstraint("provider", "server_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    provider: Mapped[str]
    server_id: Mapped[str]
    name: Mapped[str]
    first_seen_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    #: surveys that saw it
    times: Mapped[int] = mapped_column(server_default="1")
    deleted_at: Mapped[datetime | None]


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


class AlarmRow(Base):
    """Something that needs a person, once per key while it lasts."""

    __tablename__ = "alarms"
    __table_args__ = (Index("ux_alarms_open", "key", unique=True, postgresql_where=sql("closed_at IS NULL")),)

    id: Mapped[int] = mapped_column(primary_key=True)
    #: e.g. `provider:ca:quota`
    key: Mapped[str]
    brief: Mapped[str]
    detail: Mapped[str] = mapped_column(server_default="")
    remedy: Mapped[str] = mapped_column(server_default="")
    opened_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    count: Mapped[int] = mapped_column(server_default="1")
    #: when the webhook was told
    told_at: Mapped[datetime | None]


class HeartRow(Base):
    """The last sign of life of each loop, and what it last did."""

    __tablename__ = "hearts"

    #: listener, worker, reconcile, web …
    name: Mapped[str] = mapped_column(String, primary_key=True)
    beat_at: Mapped[datetime]
    detail: Mapped[str] = mapped_column(server_default="")


class WatermarkRow(Base):
    """Up to when a thing was surely looked at, such as the open changes in Gerrit."""

    __tablename__ = "watermarks"

    name: Mapped[str] = mapped_column(String, primary_key=True)
    at: Mapped[datetime]
    #: what it holds for, e.g. a digest of the triggers
    note: Mapped[str] = mapped_column(server_default="")


class SwitchRow(Base):
    """A switch that an operator sets and that survives a restart, such as `reports_paused`."""

    __tablename__ = "switches"

    name: Mapped[str] = mapped_column(String, primary_key=True)
    value: Mapped[dict[str, Any]]
    set_by: Mapped[str]
    set_at: Mapped[datetime]


class ActionRow(Base):
    """What an operator did: the audit."""

    __tablename__ = "actions"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    who: Mapped[str]
    what: Mapped[str]
    reason: Mapped[str] = mapped_column(server_default="")
