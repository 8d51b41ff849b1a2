"""overrides, holds, and tokens."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_NOW = sa.text("now()")


def upgrade() -> None:
    time = sa.DateTime(timezone=True)
    op.create_table(
        "overrides",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("set_at", time, nullable=False),
        sa.PrimaryKeyConstraint("kind", "name"),
    )
    op.create_table(
        "autoholds",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("job", sa.Text(), nullable=True),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("change", sa.Integer(), nullable=True),
        sa.Column("endings", JSONB(), nullable=False),
        sa.Column("left", sa.Integer(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=True),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("made_at", time, server_default=_NOW, nullable=False),
        sa.Column("ended_at", time, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "holds",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("node_id", sa.Integer(), nullable=False),
        sa.Column("autohold_id", sa.Integer(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("made_at", time, server_default=_NOW, nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("began_at", time, nullable=True),
        sa.Column("until", time, nullable=True),
        sa.Column("public_key", sa.Text(), nullable=True),
        sa.Column("key_at", time, nullable=True),
        sa.Column("key_tried_at", time, nullable=True),
        sa.Column("key_error", sa.Text(), server_default="", nullable=False),
        sa.Column("ended_at", time, nullable=True),
        sa.Column("ended_by", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["nodes.id"]),
        sa.ForeignKeyConstraint(["autohold_id"], ["autoholds.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    is_open = sa.text("ended_at IS NULL")
    op.create_index("ux_holds_open", "holds", ["node_id"], unique=True, postgresql_where=is_open)
    op.create_table(
        "tokens",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("made_at", time, server_default=_NOW, nullable=False),
        sa.Column("revoked_at", time, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )
    is_valid = sa.text("revoked_at IS NULL")
    op.create_index("ux_tokens_name", "tokens", ["name"], unique=True, postgresql_where=is_valid)


def downgrade() -> None:
    for name in ("tokens", "holds", "autoholds", "overrides"):
        op.drop_table(name)
