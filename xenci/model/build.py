"""Buildsets and builds: what runs for one trigger, through which states, phases and runs."""

from enum import StrEnum


class TriggerKind(StrEnum):
    """Why we run."""

    #: a patch set was uploaded, restored, or left WIP
    PATCHSET = "patchset"
    #: somebody asked for it in a comment
    RECHECK = "recheck"
    #: the branch's tip moved, and the run before had ended as a conflict with the tip that was
    TIP = "tip"
    #: what the change needs could not be tested with it in the run before, which may be otherwise by now
    NEED = "need"
    #: an operator asked for it by hand
    OPERATOR = "operator"


class FoundBy(StrEnum):
    """How we learned of a trigger. What no event of the stream announced was missed, and recovered."""

    #: an event of the stream
    STREAM = "stream"
    #: the server's own log of its events, read after the stream was lost
    EVENTS_LOG = "events-log"
    #: a look at the change in Gerrit
    RECONCILE = "reconcile"
    #: an operator asked for it
    OPERATOR = "operator"
    #: nobody asked: what a run ended of, without a test, may have ended
    RENEW = "renew"


class BuildsetState(StrEnum):
    """Where a buildset stands."""

    #: to be prepared: tree merged and carry applied
    NEW = "new"
    #: at least one build is queued or running
    RUNNING = "running"
    #: has a result
    DONE = "done"


class BuildState(StrEnum):
    """Where a build stands. `queued` has no node; `done` has a result."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"


class Phase(StrEnum):
    """A part of a build with a deadline of its own. Members from NOVA on are detached units on the node."""

    #: the server is created and becomes ACTIVE (belongs to the node)
    BOOT = "boot"
    #: SSH answers with the host key that the console told (belongs to the node)
    SSH = "ssh"
    #: Xen and libvirt answer (belongs to the node)
    XEN = "xen"
    #: the tree is pushed onto the node
    TREE = "tree"
    #: Nova starts from the tree
    NOVA = "nova"
    #: Tempest runs
    TEMPEST = "tempest"
    #: logs are gathered on the node and fetched
    COLLECT = "collect"


class Run(StrEnum):
    """Which of a build's runs: they are how a failure is told to be the change's."""

    #: the whole list, on the change
    FIRST = "first"
    #: what failed, alone, on the same node; where Nova did not start, its start
    AGAIN = "again"
    #: what failed, on the branch's tip with the carry, on the same node
    TIP = "tip"


class Mode(StrEnum):
    """How a pipeline reports."""

    #: results are kept; nothing is posted
    STORE_ONLY = "store_only"
    #: a comment without a vote
    COMMENT = "comment"
    #: a comment; +1, never -1
    PLUS_ONE = "plus_one"
    #: a comment with Verified +1 or -1
    VOTE = "vote"


class ReportState(StrEnum):
    """Where a report stands in the outbox."""

    #: not in Gerrit yet; tried again until it is
    PENDING = "pending"
    #: Gerrit has it
    POSTED = "posted"
    #: need not be posted any more (closed, newer patch set, mode store_only); the reason is kept
    DROPPED = "dropped"
