"""Which node image counts: made, ended, promoted and rolled back by an operator, and let go of by count.

A promotion is one transaction: at every moment a label has one image on a provider, or the configured one.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from xenci.config.models import ProviderLabel, Settings
from xenci.errors import NotFound, Permanent
from xenci.model.image import KEPT_STATES, WORKING_STATES, ImageState
from xenci.model.pool import Wish
from xenci.rules import images as rules
from xenci.services.image_nodes import leave
from xenci.services.nudges import nudge
from xenci.store.images import promoted
from xenci.store.marks import audit
from xenci.store.tables import ImageRow


class CannotUse(Permanent):
    """The node image cannot be used so."""


def build_by_hand(
    session: Session, settings: Settings, label: str, wish: Wish, *, provider: str = "", promote: bool = False
) -> list[ImageRow]:
    """Have an image of a label made on a provider, or on each that offers it. Raises NotFound, CannotUse."""
    offers = offers_of(settings, label, provider)
    for name, _ in offers:
        lock(session, name, label)
        query = select(ImageRow.name).where(ImageRow.provider == name, ImageRow.label == label)
        if (other := session.scalar(query.where(ImageRow.state.in_(WORKING_STATES)))) is not None:
            raise CannotUse(f"{other} is being made", remedy="wait for its end: xenci image list")
    made = [_new(session, settings.system, name, entry, wish, promote) for name, entry in offers]
    words = f"image build {label}" + (f" --provider {provider}" if provider else "") + (" --promote" if promote else "")
    audit(session, who=wish.who, what=words, reason=wish.reason, at=wish.at)
    return made


def promote_by_hand(session: Session, row: ImageRow, wish: Wish) -> str:
    """Have nodes launched from a tried image from now on. Returns what is said. Raises CannotUse."""
    lock(session, row.provider, row.label)
    session.refresh(row, with_for_update=True)
    if row.state == ImageState.PROMOTED:
        return f"{row.name} is promoted already"
    if row.state not in KEPT_STATES:
        raise CannotUse(f"{row.name} is {row.state}", remedy="only what was tried is promoted: xenci image list")
    audit(session, who=wish.who, what=f"image promote {row.name}", reason=wish.reason, at=wish.at)
    promote(session, row, who=wish.who, at=wish.at)
    return f"nodes of {row.label} on {row.provider} are launched from {row.name} from now on"


def cancel_by_hand(session: Session, row: ImageRow, wish: Wish) -> str:
    """End an image that is being made, whatever is done with it; return what is said. Raises CannotUse.

    Its node and what the cloud has of it are deleted, as of one that failed; there is nothing to tell by an alarm.
    """
    lock(session, row.provider, row.label)
    session.refresh(row, with_for_update=True)
    if row.state not in WORKING_STATES:
        raise CannotUse(f"{row.name} is {row.state}", remedy="only what is being made is ended: xenci image list")
    audit(session, who=wish.who, what=f"image cancel {row.name}", reason=wish.reason, at=wish.at)
    reason = f"ended by {wish.who}" + (f": {wish.reason}" if wish.reason else "")
    row.state, row.reason, row.state_at = ImageState.FAILED, reason[:1000], wish.at
    leave(session, row, row.reason, wish.at)
    nudge(session, "image", row.id)
    return f"{row.name} is ended; what is there of it is being deleted"


def rollback_by_hand(
    session: Session, settings: Settings, label: str, wish: Wish, *, provider: str = ""
) -> Sequence[str]:
    """Go back to the image before, or to the configured one if there is none; return what is said of each provider.

    Raises NotFound.
    """
    said = []
    for name, entry in offers_of(settings, label, provider):
        lock(session, name, label)
        now = promoted(session, name, label)
        if now is None:
            said.append(f"{label} on {name} has no promoted image: {entry.image} is used")
            continue
        last = rules.before(_kept(session, name, label))
        _retire(session, now, f"rolled back by {wish.who}" + (f": {wish.reason}" if wish.reason else ""), wish.at)
        target = session.get_one(ImageRow, last) if last is not None else None
        if target is not None:
            promote(session, target, who=wish.who, at=wish.at)
        goes_to = target.name if target is not None else f"{entry.image}, which the configuration names"
        what = f"image rollback {label} on {name}: from {now.name} to {goes_to}"
        audit(session, who=wish.who, what=what, reason=wish.reason, at=wish.at)
        said.append(f"nodes of {label} on {name} are launched from {goes_to}, from now on")
    return said


def promote(session: Session, row: ImageRow, *, who: str, at: datetime) -> None:
    """Put an image in the place of the promoted one. What waits for its turn at the same time waits in `lock`."""
    lock(session, row.provider, row.label)
    if (now := promoted(session, row.provider, row.label)) is not None and now.id != row.id:
        _retire(session, now, f"{row.name} took its place", at)
    row.state, row.reason, row.state_at = ImageState.PROMOTED, f"promoted by {who}", at
    row.promoted_at = at


def let_go(session: Session, provider: str, label: str, *, keep: int, at: datetime) -> None:
    """Have all but the newest tried images deleted."""
    lock(session, provider, label)
    for image in rules.surplus(_kept(session, provider, label), keep):
        row = session.get_one(ImageRow, image, with_for_update=True)
        row.state, row.state_at = ImageState.DELETING, at
        row.reason = f"the newest {keep} are kept"
        nudge(session, "image", row.id)


def lock(session: Session, provider: str, label: str) -> None:
    """Let nobody else change which image counts until this transaction has ended."""
    name = {"name": f"image {provider} {label}"}
    session.execute(text("select pg_advisory_xact_lock(hashtextextended(:name, 0))"), name)


def offers_of(settings: Settings, label: str, provider: str) -> list[tuple[str, ProviderLabel]]:
    """Return the provider, or each, that offers a label, with what it is there. Raises NotFound."""
    found = [
        (one.name, entry)
        for one in settings.providers
        for entry in one.labels
        if entry.name == label and provider in ("", one.name)
    ]
    if not found:
        where = f" on {provider}" if provider else ""
        names = ", ".join(f"{entry.name} on {one.name}" for one in settings.providers for entry in one.labels)
        raise NotFound(f"{label[:80]}{where[:80]}", brief="No provider offers this label", remedy=f"there are {names}")
    return found


def _new(
    session: Session, system: str, provider: str, entry: ProviderLabel, wish: Wish, is_promoted_after: bool
) -> ImageRow:
    """Write the row before anything is asked of a cloud: its name is how the snapshot is known for ours."""
    number = session.execute(text("select nextval(pg_get_serial_sequence('images', 'id'))")).scalar_one()
    row = ImageRow(
        id=number,
        name=f"{system}-{entry.name}-image-{number:04d}",
        provider=provider,
        label=entry.name,
        state=ImageState.BUILDING,
        reason="a node is to be launched",
        base=entry.base_image or entry.image,
        promote=is_promoted_after,
        made_by=wish.who,
        created_at=wish.at,
        state_at=wish.at,
    )
    session.add(row)
    session.flush()
    nudge(session, "image", number)
    return row


def _retire(session: Session, row: ImageRow, reason: str, at: datetime) -> None:
    row.state, row.reason, row.state_at = ImageState.RETIRED, reason[:1000], at
    # before another is promoted: an index lets only one be
    session.flush()


def _kept(session: Session, provider: str, label: str) -> list[rules.Kept]:
    query = select(ImageRow.id, ImageRow.state).where(ImageRow.provider == provider, ImageRow.label == label)
    return [
        rules.Kept(id=number, state=ImageState(state))
        for number, state in session.execute(query.where(ImageRow.state.in_(KEPT_STATES)))
    ]
