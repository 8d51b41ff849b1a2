"""All that a verdict on a build is made of, as plain values."""

from dataclasses import dataclass

from xenci.model.build import Run
from xenci.rules.proof import RunFacts

#: exit codes of the start of Nova: Nova itself ended; it was not ready in time. All others are the node's or ours
NOVA_ENDED, NOVA_LATE = 1, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How a phase ended."""

    timed_out: bool = False
    #: None if it left none: it was cut, or its unit is gone
    exit_code: int | None = 0
    #: what is to be told of it, without a full stop
    detail: str = ""

    @property
    def is_good(self) -> bool:
        return not self.timed_out and self.exit_code == 0

    @property
    def has_ended(self) -> bool:
        """Whether this is a start of Nova after which Nova itself ended."""
        return not self.timed_out and self.exit_code == NOVA_ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFacts:
    """All that a verdict is made of. What is None did not happen."""

    #: 1 for the first
    attempt: int = 1
    #: attempts that the job allows
    attempts: int = 3
    #: why the build was ended by a person or by a newer patch set
    cancelled: str = ""
    #: how the node was lost, or why there was none
    node_lost: str = ""
    #: what went wrong in xenci itself
    broken: str = ""
    #: the tree pushed onto the node
    tree: Step | None = None
    #: Nova started from the change, once more from the change, and from the tip
    nova: Step | None = None
    nova_again: Step | None = None
    nova_tip: Step | None = None
    #: whether Nova's proof agrees with the tree that was pushed; None if there is no proof
    tree_agrees: bool | None = None
    tip_agrees: bool | None = None
    #: whether each failed start of the change's Nova was made of the tree that was pushed; None if one left no word
    tried_agrees: bool | None = None
    first: RunFacts | None = None
    again: RunFacts | None = None
    tip: RunFacts | None = None
    #: Xen was proved on the node
    host_seen: bool = False
    #: runs during which a guest of that run was seen through libvirt
    guest_seen: frozenset[Run] = frozenset()
    collect: Step | None = None
    #: False for jobs that test xenci on machines without Xen; they never vote
    needs_xen: bool = True
