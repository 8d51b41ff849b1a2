"""The table of node images: snapshots that nodes are launched from, those that are being made among them."""

from datetime import datetime

from sqlalchemy import Index, func
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from xenci.store.tables.metadata import Base

_WORKING = sql("state IN ('building', 'preparing', 'snapshotting', 'trying')")


class ImageRow(Base):
    """An image of one label on one provider. One is being made at a time, and one is promoted."""

    __tablename__ = "images"
    __table_args__ = (
        Index("ux_images_promoted", "provider", "label", unique=True, postgresql_where=sql("state = 'promoted'")),
        Index("ux_images_working", "provider", "label", unique=True, postgresql_where=_WORKING),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    #: `SYSTEM-LABEL-image-NNNN`: the snapshot's name, by which it is known before the cloud has told an id
    name: Mapped[str] = mapped_column(unique=True)
    provider: Mapped[str]
    label: Mapped[str]
    #: ImageState
    state: Mapped[str] = mapped_column(index=True)
    #: a sentence about why it is in this state, or what it waits for
    reason: Mapped[str] = mapped_column(server_default="")
    #: the image that it is made from
    base: Mapped[str]
    #: the cloud's id of the snapshot
    cloud_id: Mapped[str | None]
    #: SHA-256 of the playbook and its variables, the first 12 digits; NULL until they are on the node
    recipe: Mapped[str | None]
    #: the node that it is made on, or tried with
    node_id: Mapped[int | None]
    #: the kernel's id of the boot in which the playbook ran, if it asked for another
    boot_id: Mapped[str | None]
    #: whether it is promoted once it is tried, without being asked
    promote: Mapped[bool] = mapped_column(server_default=sql("false"))
    made_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    state_at: Mapped[datetime] = mapped_column(server_default=func.now())
    #: when the cloud was asked for the snapshot and answered
    asked_at: Mapped[datetime | None]
    ready_at: Mapped[datetime | None]
    promoted_at: Mapped[datetime | None]
    #: when the cloud had nothing of it any more
    gone_at: Mapped[datetime | None]
