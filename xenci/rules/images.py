"""What becomes of a node image next, which ones are let go of, and to which one a rollback goes.

Nothing is used that was not tried: an image comes to be promoted only by way of `ready`, and to `ready` only by a node
that was launched from the whole snapshot and proved.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from xenci.model.image import KEPT_STATES, ImageState
from xenci.model.node import LaunchFailure, NodeState
from xenci.rules.absence import is_past

#: a launch that failed for one of these says nothing of the image: it is tried again until the deadline
PASSING = frozenset({LaunchFailure.QUOTA, LaunchFailure.CAPACITY, LaunchFailure.API})
#: .. after this pause
RETRY = timedelta(minutes=1)
#: Glance's statuses from which no image becomes active any more
_LOST = frozenset({"killed", "deleted", "pending_delete", "deactivated", "error"})
#: a snapshot that was asked for is in the cloud's list within this time
_LISTED = timedelta(minutes=2)
#: beginning of the alarms of images that could not be made; the alarm of those that nobody can be asked to delete
MADE = "image:"
AWAY = "image-away"
#: beginning of the alarms of images that a cloud does not delete, and how long it may take to
LEFT = "image-left:"
LEFT_AFTER = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """How long each part may take."""

    #: until a node is met, or tried; each
    node: timedelta
    #: until it is prepared and proved
    prepare: timedelta
    #: until its snapshot is active
    snapshot: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """An image and what was seen of its node and its snapshot just now."""

    state: ImageState
    state_at: datetime
    #: why it does not go on yet
    reason: str = ""
    #: its node's state; None if it has none now
    node: NodeState | None = None
    #: why the node's launch failed, when the node came into its state, and in which words
    failure: LaunchFailure | None = None
    node_at: datetime | None = None
    node_reason: str = ""
    #: the playbook has ended well, and the node is proved
    is_prepared: bool = False
    #: when the snapshot was asked for
    asked_at: datetime | None = None
    #: Glance's status of the snapshot; None if the cloud does not list it
    status: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """Launch a node for it: it has none, or what kept the last one from coming may have passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """Bring it into a state; FAILED with its reason among them."""

    state: ImageState
    reason: str


#: None: wait
Next = Launch | Go | None


def next_of(sight: Sight, deadlines: Deadlines, at: datetime, back_at: datetime | None = None) -> Next:
    """Return what is to be done with an image that is being made; `back_at` as in `absence.py`."""
    match sight.state:
        case ImageState.BUILDING | ImageState.TRYING:
            found = _with_node(sight, at)
            limit = deadlines.node
        case ImageState.PREPARING:
            found = _prepared(sight)
            limit = deadlines.prepare
        case ImageState.SNAPSHOTTING:
            found = _snapshotted(sight, at)
            limit = deadlines.snapshot
        case _:
            return None
    if not isinstance(found, Go) and is_past(sight.state_at + limit, at, back_at):
        told = (sight.node_reason, sight.reason) if found else (sight.reason, sight.node_reason)
        last = told[0] or told[1]
        words = f"{sight.state} took more than {limit.total_seconds():g} s" + (f"; last: {last}" if last else "")
        return Go(state=ImageState.FAILED, reason=words)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A tried image of one provider and label."""

    id: int
    state: ImageState


def surplus(images: Sequence[Kept], keep: int) -> list[int]:
    """Return which tried images of one provider and label are let go of: all but the newest `keep`.

    The promoted one counts and stays, however old it is; so does that which a rollback goes to, if `keep` is 2 or more.
    The newest ready one, if newer than the promoted one, waits for its promotion: it stays, if need be beyond `keep`.
    """
    kept = [image for image in images if image.state in KEPT_STATES]
    last, newest = before(images), _waiting(images)
    rank = sorted(kept, key=lambda one: (one.state is ImageState.PROMOTED, one.id == last, one.id), reverse=True)
    return sorted(image.id for image in rank[max(1, keep) :] if image.id != newest)


def before(images: Sequence[Kept]) -> int | None:
    """Return the image that a rollback goes to: the newest retired one that is older than the promoted one."""
    now = next((image.id for image in images if image.state is ImageState.PROMOTED), None)
    if now is None:
        return None
    return max((one.id for one in images if one.state is ImageState.RETIRED and one.id < now), default=None)


def _waiting(images: Sequence[Kept]) -> int | None:
    """Return the image that a promotion is likely to go to: the newest ready one, unless a newer one is promoted."""
    newer = max((image.id for image in images if image.state is ImageState.PROMOTED), default=None)
    ready = (image.id for image in images if image.state is ImageState.READY)
    return max((one for one in ready if newer is None or one > newer), default=None)


def _with_node(sight: Sight, at: datetime) -> Next:
    if sight.node is None:
        return Launch()
    if sight.failure in PASSING:
        return Launch() if sight.node_at is None or at - sight.node_at >= RETRY else None
    if _is_lost(sight):
        return _lost(sight)
    if sight.node is not NodeState.IN_USE:
        return None
    if sight.state is ImageState.TRYING:
        return Go(state=ImageState.READY, reason="a node that was launched from it is proved")
    return Go(state=ImageState.PREPARING, reason="its node answers; the playbook is to run")


def _prepared(sight: Sight) -> Next:
    if _is_lost(sight):
        return _lost(sight)
    if not sight.is_prepared:
        return None
    return Go(state=ImageState.SNAPSHOTTING, reason="the playbook has ended well and the node is proved")


def _snapshotted(sight: Sight, at: datetime) -> Next:
    if sight.status == "active":
        return Go(state=ImageState.TRYING, reason="its snapshot is whole; a node is to be launched from it")
    if sight.status in _LOST:
        return Go(state=ImageState.FAILED, reason=f"its snapshot is {sight.status}")
    if _is_lost(sight):
        return _lost(sight)
    if sight.asked_at is not None and sight.status is None and at - sight.asked_at >= _LISTED:
        return Go(state=ImageState.FAILED, reason="the cloud does not list its snapshot")
    return None


def _is_lost(sight: Sight) -> bool:
    """Tell whether nothing can be expected of its node any more."""
    gone = (None, NodeState.USED, NodeState.HOLD, NodeState.DELETING, NodeState.DELETED)
    return sight.failure is not None or sight.node in gone


def _lost(sight: Sight) -> Go:
    words = f"{sight.failure}: {sight.node_reason}" if sight.failure else sight.node_reason
    return Go(state=ImageState.FAILED, reason=f"its node was lost: {words or 'there is none'}")
