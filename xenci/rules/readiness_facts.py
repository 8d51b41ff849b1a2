"""What the readiness rules are told, and what they answer: plain values, so that anybody can fill them from rows."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from xenci.model.build import ReportState
from xenci.model.outcome import SILENT, Fault, Result


class Status(StrEnum):
    """Where a criterion stands."""

    MET = "met"
    NOT_MET = "not met"
    #: met, but near the threshold, or a part of it is missing
    AT_RISK = "at risk"
    #: nothing speaks against it, but there is too little to say so
    TOO_FEW = "not enough data yet"
    #: no facts for it are kept
    CANNOT = "cannot be measured yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The rows that a number is made of."""

    #: words for people: "8 without a report"
    text: str
    #: patchsets, buildsets, builds, reports, comments or providers
    kind: str
    #: ids of the rows; names of providers
    ids: tuple[int | str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CriterionState:
    """A criterion, and where it stands."""

    id: str
    title: str
    threshold: str
    source: str
    status: Status
    #: the figure in words: "604 of 612, 98.7 %"
    value: str
    #: sentences on why it stands so, and what would make it better or measurable
    why: str = ""
    #: how much data there is, and how much makes a statement
    have: int | None = None
    need: int | None = None
    links: tuple[Link, ...] = ()

    @property
    def group(self) -> str:
        return self.id[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchsetFact:
    """A patch set that was seen."""

    id: int
    uploaded_at: datetime
    #: why no pipeline wants it, or None
    not_run: str | None = None
    #: there is a newer patch set, or the change was closed
    is_superseded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFact:
    """A comment of the outbox."""

    id: int
    state: ReportState
    message: str
    vote: int | None
    created_at: datetime
    posted_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildsetFact:
    """All builds for one trigger."""

    id: int
    patchset_id: int
    pipeline: str
    trigger_key: str
    #: when it was asked for in Gerrit, and when we began
    triggered_at: datetime
    created_at: datetime
    finished_at: datetime | None = None
    result: Result | None = None
    fault: Fault | None = None
    #: ended because the change was closed or a newer patch set came
    was_withdrawn: bool = False
    report: ReportFact | None = None

    @property
    def posted_at(self) -> datetime | None:
        """When Gerrit had its report."""
        return self.report.posted_at if self.report and self.report.state is ReportState.POSTED else None

    @property
    def was_dropped(self) -> bool:
        """Its report needed not be posted any more."""
        return self.report is not None and self.report.state is ReportState.DROPPED

    @property
    def says_nothing(self) -> bool:
        """Nothing was to be told of it: a conflict, withdrawn, or dropped for a reason."""
        return self.was_withdrawn or self.result in SILENT or self.was_dropped


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFact:
    """One attempt at one job."""

    id: int
    buildset_id: int
    job: str
    attempt: int
    #: where its node was; empty if it had none
    provider: str
    finished_at: datetime | None
    result: Result | None
    #: `host`, `guest`: the kinds of evidence that it has
    evidence: frozenset[str] = frozenset()
    #: whether the tree under test was seen to take virt_type=xen; None if it was not seen either way
    offers_xen: bool | None = None
    #: number of carried commits
    carried: int = 0
    #: whether what ran was the change merged with its branch's tip; None if no tree was made
    is_merged_with_tip: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentFact:
    """A message in Gerrit: a recheck, or one of ours."""

    id: int
    patchset_id: int
    #: `recheck` or `ours`
    kind: str
    posted_at: datetime
    #: the key of rules.recheck, for a recheck
    key: str = ""
    #: the patch set was current and the change open when it was written
    is_eligible: bool = True
    #: a pipeline wants the patch set
    is_wanted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFact:
    """One cloud region, and what it shares with others when it fails."""

    name: str
    failure_domain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadinessFacts:
    """Rows of at least the last 30 days; the rules choose their own window in them."""

    patchsets: tuple[PatchsetFact, ...] = ()
    buildsets: tuple[BuildsetFact, ...] = ()
    builds: tuple[BuildFact, ...] = ()
    comments: tuple[CommentFact, ...] = ()
    providers: tuple[ProviderFact, ...] = ()
    #: when the last build succeeded and the last report was posted, however long ago
    last_success_at: datetime | None = None
    last_report_at: datetime | None = None
    #: our account's name in Gerrit, and the page that every comment links
    account_name: str = ""
    contact: str = ""
    is_lab: bool = False
