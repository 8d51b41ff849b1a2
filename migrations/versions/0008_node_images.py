"""node images."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_NOW = sa.text("now()")


def upgrade() -> None:
    time = sa.DateTime(timezone=True)
    op.create_table(
        "images",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("base", sa.Text(), nullable=False),
        sa.Column("cloud_id", sa.Text(), nullable=True),
        sa.Column("recipe", sa.Text(), nullable=True),
        sa.Column("node_id", sa.Integer(), nullable=True),
        sa.Column("boot_id", sa.Text(), nullable=True),
        sa.Column("promote", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("created_at", time, server_default=_NOW, nullable=False),
        sa.Column("state_at", time, server_default=_NOW, nullable=False),
        sa.Column("asked_at", time, nullable=True),
        sa.Column("ready_at", time, nullable=True),
        sa.Column("promoted_at", time, nullable=True),
        sa.Column("gone_at", time, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_index("ix_images_state", "images", ["state"])
    is_promoted = sa.text("state = 'promoted'")
    op.create_index("ux_images_promoted", "images", ["provider", "label"], unique=True, postgresql_where=is_promoted)
    is_working = sa.text("state IN ('building', 'preparing', 'snapshotting', 'trying')")
    op.create_index("ux_images_working", "images", ["provider", "label"], unique=True, postgresql_where=is_working)
    op.add_column("nodes", sa.Column("image", sa.Text(), nullable=True))
    op.add_column("nodes", sa.Column("image_id", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("nodes", "image_id")
    op.drop_column("nodes", "image")
    op.drop_table("images")
