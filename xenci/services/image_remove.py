"""Deletes what a cloud has of a node image that is not to be, and tells if the cloud does not let go of it."""

from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from xenci.errors import XenciError
from xenci.model.image import ImageState
from xenci.model.leftover import Kind
from xenci.rules.absence import is_past
from xenci.rules.images import LEFT, LEFT_AFTER
from xenci.services.context import Context
from xenci.services.errands import Errand
from xenci.store.marks import back_at, clear_alarm, raise_alarm
from xenci.store.tables import ImageRow

_TOLD = structlog.get_logger()


def remove(ctx: Context, row: ImageRow) -> None:
    """Delete what the cloud has of an image, known by its id or name; it is gone when the cloud lists it no more.

    Each deletion is asked for now and then. What stays for long is looked at now and then too, and is an alarm.
    """
    provider, at = ctx.providers.get(row.provider), ctx.clock()
    if row.gone_at is not None or provider is None:
        return
    with ctx.database.session() as session:
        is_left = is_past(row.state_at + LEFT_AFTER, at, back_at(session, at=at))
    if is_left and not _is_due(ctx, (row.provider, "look", Kind.IMAGE, row.name), at):
        return
    hindrance = "the cloud still lists it"
    try:
        there = [image.id for image in provider.images() if image.id == row.cloud_id or image.name == row.name]
        for image in there:
            if _is_due(ctx, (row.provider, "delete", Kind.IMAGE, image), at):
                provider.delete_image(image)
    except XenciError as error:
        _TOLD.warning("image.not_deleted", image=row.name, provider=row.provider, error=error.sentence)
        hindrance, there = error.sentence, [row.cloud_id or row.name]
    with ctx.database.session() as session:
        if not there:
            _note_gone(session, row, at)
        elif is_left:
            _tell(session, row, there, hindrance, at)


def _is_due(ctx: Context, key: tuple[str, ...], at: datetime) -> bool:
    """Tell whether something was not tried of late, and remember that it is tried now."""
    is_due = bool(ctx.tries.due([Errand(key=key, run=lambda: None)], at))
    if is_due:
        ctx.tries.note(key, at)
    return is_due


def _note_gone(session: Session, row: ImageRow, at: datetime) -> None:
    now = session.get_one(ImageRow, row.id, with_for_update=True, populate_existing=True)
    now.gone_at = at
    if now.state == ImageState.DELETING:
        now.state, now.state_at = ImageState.DELETED, at
    clear_alarm(session, f"{LEFT}{row.provider}:{row.name}", at=at)


def _tell(session: Session, row: ImageRow, there: list[str], hindrance: str, at: datetime) -> None:
    raise_alarm(
        session,
        f"{LEFT}{row.provider}:{row.name}",
        brief=f"A node image that is to go is still on {row.provider}",
        detail=f"{row.name} ({', '.join(there)}), to go since {row.state_at:%Y-%m-%d %H:%M} UTC: {hindrance}",
        remedy="see what uses it, or delete it by hand in the cloud; it is asked for again and again",
        at=at,
    )
