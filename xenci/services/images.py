"""Takes one node image one step further: a node, the playbook, the snapshot, a trial, ready; and at its end deleted.

Nodes of images are nodes like all others, launched, listed and deleted as those are; only no build gets them. What is
decided stands in `rules/images.py`.
"""

from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from xenci.errors import Permanent, XenciError
from xenci.model.image import WORKING_STATES, ImageState
from xenci.model.node import LaunchFailure, NodeState
from xenci.rules import images as rules
from xenci.rules.nodes import MADE_KEY
from xenci.services.context import Context
from xenci.services.fence import fenced
from xenci.services.image_nodes import launch, leave
from xenci.services.image_prepare import Progress, prepare, tidy_up
from xenci.services.image_remove import remove
from xenci.services.image_use import let_go, lock, promote
from xenci.store.marks import back_at, clear_alarm, raise_alarm
from xenci.store.tables import ImageRow, NodeRow

_TOLD = structlog.get_logger()
#: first number of the advisory locks of images: "imag"
_LOCK = 0x696D6167


def advance_image(ctx: Context, image_id: int) -> None:
    """Take an image as far as it goes without waiting. Repeatable; whoever comes second while it runs does nothing."""
    with fenced(ctx.database, _LOCK, image_id) as is_mine:
        while is_mine and _step(ctx, image_id):
            pass


def _step(ctx: Context, image_id: int) -> bool:
    """Do what is to be done next; tell whether there may be more."""
    with ctx.database.session() as session:
        row = session.get(ImageRow, image_id)
        node = session.get(NodeRow, row.node_id) if row is not None and row.node_id is not None else None
    if row is None:
        return False
    if row.state not in WORKING_STATES:
        if row.state in (ImageState.FAILED, ImageState.DELETING):
            remove(ctx, row)
        return False
    progress, status = Progress(), None
    if row.state == ImageState.PREPARING and node is not None and node.state == NodeState.IN_USE:
        progress = prepare(ctx, row, node)
    elif row.state == ImageState.SNAPSHOTTING:
        progress, status = _snapshot(ctx, row, node)
    with ctx.database.session() as session:
        # before the row, as who promotes by hand does: what follows may change which image counts
        lock(session, row.provider, row.label)
        now = session.get(ImageRow, image_id, with_for_update=True, populate_existing=True)
        if now is None or now.state != row.state:
            return False
        return _decide(ctx, session, now, progress, status)


def _decide(ctx: Context, session: Session, row: ImageRow, progress: Progress, status: str | None) -> bool:
    """Write down what was seen, and do what follows."""
    at = ctx.clock()
    has_more = (progress.recipe, progress.boot_id) != (None, None)
    row.recipe, row.boot_id = progress.recipe or row.recipe, progress.boot_id or row.boot_id
    row.reason = progress.words[:1000] or row.reason
    if progress.failure:
        found: rules.Next = rules.Go(state=ImageState.FAILED, reason=progress.failure)
    else:
        node = session.get(NodeRow, row.node_id, populate_existing=True) if row.node_id is not None else None
        sight = _sight(row, node, is_prepared=progress.is_done, status=status)
        found = rules.next_of(sight, _deadlines(ctx), at, back_at(session, at=at))
    match found:
        case rules.Launch():
            launch(ctx, session, row, at)
            return False
        case rules.Go(state=state, reason=reason):
            _go(ctx, session, row, state, reason, at)
            return True
    return has_more


def _sight(row: ImageRow, node: NodeRow | None, *, is_prepared: bool, status: str | None) -> rules.Sight:
    return rules.Sight(
        state=ImageState(row.state),
        state_at=row.state_at,
        reason=row.reason,
        node=NodeState(node.state) if node else None,
        failure=LaunchFailure(node.failure) if node and node.failure else None,
        node_at=node.state_at if node else None,
        node_reason=node.reason if node else "",
        is_prepared=is_prepared,
        asked_at=row.asked_at,
        status=status,
    )


def _go(ctx: Context, session: Session, row: ImageRow, state: ImageState, reason: str, at: datetime) -> None:
    """Bring an image into a state, with what belongs to it."""
    row.state, row.reason, row.state_at = state, reason[:1000], at
    _TOLD.info(f"image.{state}", image=row.name, provider=row.provider, label=row.label, reason=reason[:300])
    alarm = f"{rules.MADE}{row.provider}:{row.label}"
    if state in (ImageState.TRYING, ImageState.READY, ImageState.FAILED):
        leave(session, row, reason, at)
    if state is ImageState.FAILED:
        raise_alarm(
            session,
            alarm,
            brief=f"No node image of {row.label} could be made on {row.provider}",
            detail=f"{row.name}: {reason}",
            remedy=f"nodes are launched from the image before; when it is mended: xenci image build {row.label}",
            at=at,
        )
    if state is ImageState.READY:
        row.ready_at = at
        clear_alarm(session, alarm, at=at)
        if row.promote:
            promote(session, row, who=row.made_by, at=at)
        let_go(session, row.provider, row.label, keep=ctx.settings.images.keep, at=at)


def _snapshot(ctx: Context, row: ImageRow, node: NodeRow | None) -> tuple[Progress, str | None]:
    """Ask for the snapshot if nobody did; return what hinders it, and its status in the cloud's list."""
    provider = ctx.providers.get(row.provider)
    if provider is None:
        return Progress(failure=f"{row.provider} is no longer in the configuration"), None
    try:
        if row.asked_at is None:
            if node is None or node.state != NodeState.IN_USE:
                return Progress(), None
            tidy_up(ctx, node)
            # the moment tells it from one of the same name that an older database knew
            made = {MADE_KEY: row.created_at.isoformat()}
            properties = {"xenci_label": row.label, "xenci_recipe": row.recipe or "", **made}
            image = provider.snapshot(node.server_id or "", name=row.name, properties=properties)
            with ctx.database.session() as session:
                now = session.get_one(ImageRow, row.id, with_for_update=True, populate_existing=True)
                now.cloud_id, now.asked_at = image.id, ctx.clock()
            return Progress(words=f"{row.provider} makes the snapshot"), image.status
        found = next((image for image in provider.images() if image.id == row.cloud_id), None)
    except Permanent as error:
        return Progress(failure=error.sentence), None
    except XenciError as error:
        # what the cloud does not tell now is not gone
        return Progress(words=f"waits for {row.provider}: {error.sentence}"), "unknown"
    return Progress(), found.status if found else None


def _deadlines(ctx: Context) -> rules.Deadlines:
    limits = ctx.settings.images.deadlines
    return rules.Deadlines(node=limits.node, prepare=limits.prepare, snapshot=limits.snapshot)
