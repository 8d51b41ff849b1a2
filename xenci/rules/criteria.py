"""The criteria for Nova's quality groups B and A, each with its threshold and where that comes from.

A source in words: *infra* is OpenDev's third-party rules, *plan* the hypervisor deprecation plan of 2013, *blog* the
Xen Project's announcement of 2015, *nova*, *cinder*, *neutron*, *ironic* those projects' own pages, *gates* what
OpenDev asks of gating jobs, *plugin* Gerrit's results tab. Where OpenStack names no number it is ours and says so.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One row of the readiness page."""

    #: B0 .. B18, A0 .. A11
    id: str
    title: str
    threshold: str
    source: str
    #: why it cannot be measured yet, a sentence; empty if it is measured
    why_not: str = ""
    #: what would make it measurable, a sentence
    needs: str = ""

    @property
    def group(self) -> str:
        return self.id[0]


def _row(id: str, title: str, threshold: str, source: str, why_not: str = "", needs: str = "") -> Criterion:
    return Criterion(id=id, title=title, threshold=threshold, source=source, why_not=why_not, needs=needs)


GROUP_B = (
    _row("B0", "The tested tree offers virt_type=xen", "true in each build", "nova"),
    _row(
        "B1",
        "Reports on every proposed change",
        "100 % of eligible patch sets; alarm under 95 % in 14 days (our number)",
        "plan",
    ),
    _row("B2", "Results at peak load", "4 h after the upload, all", "plan, ironic"),
    _row(
        "B3",
        "Full run of Tempest",
        "everything listed runs but named exclusions; excluded under 1 %, not growing (our number)",
        "plan, cinder",
        "The jobs run a list of tests, not all that Tempest has.",
        "Jobs that list all of Tempest, and exclusions with a reason, a bug, an owner and an end.",
    ),
    _row("B4", "The hypervisor under test was Xen", "100 % of reports carry evidence", "plan, cinder"),
    _row("B5", "Failures are posted too", "0 finished buildsets without a report", "plan, cinder"),
    _row("B6", "One comment per patch set and recheck", "0 too many", "infra"),
    _row("B7", "Recheck is honoured", "100 %", "infra"),
    _row(
        "B8",
        "Logs are public and browsable",
        "100 % of probes",
        "infra",
        "Nobody asks for our pages from outside yet.",
        "A prober on another machine that checks status, type and encoding of fresh links.",
    ),
    _row(
        "B9",
        "Logs are kept",
        "1 month",
        "infra",
        "No link of 30 days ago is asked for from outside.",
        "The prober of B8, on links that are 30 days old.",
    ),
    _row(
        "B10",
        "Logs are complete",
        "100 % of builds",
        "infra, neutron",
        "No build has a manifest that is compared with what must be published.",
        "A manifest for each build: configurations, versions, service logs, Xen's logs, consoles.",
    ),
    _row("B11", "Gerrit parses the comment, and it links the contact page", "100 % of reports", "infra, plugin"),
    _row(
        "B12",
        "No noise for our own faults",
        "0 comments on conflicts, 0 votes on our faults; at most one comment without a vote, after the retries",
        "infra, cinder",
    ),
    _row(
        "B13",
        "Alive",
        "last success within 14 days; last report within 24 h on a working day (our number)",
        "cinder, nova",
    ),
    _row(
        "B14",
        "Accurate: share of false -1",
        "at most 5 % (our number)",
        "ironic",
        "No -1 is run again later to see whether it was true.",
        "Runs of the same commit on another day, and the verdicts of upstream's own jobs.",
    ),
    _row(
        "B15",
        "Stable before voting",
        "1 month in the sandbox, then 1 month of comments (our numbers)",
        "infra, neutron",
        "The dates of the first sandbox report and the first comment are not kept as facts.",
        "Attestations with dates, and days without a gap counted from the reports.",
    ),
    _row(
        "B16",
        "Driver changes are merged with our +1",
        "100 % of merged changes under the driver's paths",
        "nova",
        "Merged changes are not joined to our votes.",
        "The change-merged events of the driver's paths, with our last vote on each.",
    ),
    _row(
        "B17",
        "Maintainers answer",
        "within 2 days",
        "neutron",
        "Only people can confirm it, and there is no place for their word yet.",
        "An attestation with a link and a date.",
    ),
    _row(
        "B18",
        "Human steps: approval, wiki page, account's name and mail, unit tests gate",
        "all done",
        "infra, blog",
        "Only people can confirm it, and there is no place for their word yet.",
        "Attestations with a link and a date for each step.",
    ),
)

GROUP_A = (
    _row("A0", "All of B is met", "19 of 19", "blog"),
    _row(
        "A1",
        "The job votes in nova's check and gate",
        "yes",
        "blog, nova",
        "Nova's own list of jobs is not read.",
        "The job's entry in nova's .zuul.yaml.",
    ),
    _row("A2", "Reported by Zuul itself", "yes", "gates"),
    _row(
        "A3",
        "Two places with no shared failure",
        "2 failure domains carried builds in 30 days, the least at least 20 %, and a drill with one drained stays green"
        " (our numbers)",
        "gates",
    ),
    _row("A4", "Tests the merged state", "base is the branch's tip, in each build", "gates"),
    _row(
        "A5",
        "Reliability proven",
        "at most 1 % false failures in 500 builds, with a bound, and no more than the KVM job (our numbers)",
        "gates",
        "Whether a failure was false is not known.",
        "What B14 needs, for 500 builds, and the KVM job's own results.",
    ),
    _row(
        "A6",
        "Duration",
        "p95 at most 2 h (our number); the KVM job's hard limit is 2 h 30 min",
        "tempest",
        "The jobs do not run all of Tempest, so their duration says nothing about it.",
        "What B3 needs.",
    ),
    _row(
        "A7",
        "Capacity at the gate's peak",
        "wait for a node p95 at most 30 min (our number)",
        "gates",
        "The load here is not the gate's.",
        "A replay of the gate's busiest hours, or a month of nova's check queue.",
    ),
    _row(
        "A8",
        "Open-source stack only",
        "all packages from known sources",
        "nova",
        "The list of packages of a node is not compared with sources.",
        "A package list for each node image, with where each is from.",
    ),
    _row(
        "A9",
        "Features rated Checked",
        "every complete feature of nova's feature matrix by its tests",
        "nova",
        "The feature matrix of the tested tree is not read.",
        "The tests that the matrix names, joined to our results.",
    ),
    _row(
        "A10",
        "Driver unit tests gate",
        "file and job result",
        "nova",
        "Nova's own unit test jobs are not read.",
        "The driver's unit tests in nova's tree, and Zuul's result of them.",
    ),
    _row(
        "A11",
        "Nova's cores agree",
        "a merged change",
        "attested",
        "Only people can confirm it, and there is no place for their word yet.",
        "An attestation with a link to the merged change.",
    ),
)

CRITERIA = {criterion.id: criterion for criterion in (*GROUP_B, *GROUP_A)}
