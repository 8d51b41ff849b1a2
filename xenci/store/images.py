"""Node images as rows: which one counts, which are known of, and what is kept."""

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from xenci.model.image import WORKING_STATES, ImageState
from xenci.store.tables import ImageRow


def promoted(session: Session, provider: str, label: str) -> ImageRow | None:
    """Return the image that nodes of a label are launched from on a provider; None: the configured one."""
    query = select(ImageRow).where(ImageRow.provider == provider, ImageRow.label == label)
    return session.scalar(query.where(ImageRow.state == ImageState.PROMOTED))


def is_moving(providers: Iterable[str]) -> ColumnElement[bool]:
    """Ask whether something is to be done with an image: it is being made, or the cloud may have what is to go.

    Of the latter only where one of these providers has it: of another nobody can be asked.
    """
    goes = ImageRow.state.in_([ImageState.FAILED, ImageState.DELETING])
    leaves = and_(goes, ImageRow.gone_at.is_(None), ImageRow.provider.in_(providers))
    return or_(ImageRow.state.in_(WORKING_STATES), leaves)


def snapshots(session: Session) -> Sequence[ImageRow]:
    """Return the images, on whichever provider, whose snapshots a row accounts for, also those that are being made."""
    return session.scalars(select(ImageRow).where(ImageRow.gone_at.is_(None))).all()


def is_raw(session: Session, node_id: int) -> bool:
    """Tell whether a node is what an image is made from: no host to be proved yet."""
    query = select(ImageRow.id).where(ImageRow.node_id == node_id, ImageRow.state == ImageState.BUILDING)
    return session.scalar(query) is not None


def listed(session: Session, *, label: str = "", provider: str = "", most: int = 50) -> Sequence[ImageRow]:
    """Return images, the newest first; of a label or a provider, if they are named."""
    query = select(ImageRow).order_by(ImageRow.id.desc()).limit(most)
    if label:
        query = query.where(ImageRow.label == label)
    if provider:
        query = query.where(ImageRow.provider == provider)
    return session.scalars(query).all()
