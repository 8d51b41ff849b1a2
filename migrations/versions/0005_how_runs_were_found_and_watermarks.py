"""how runs were found, and watermarks."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "watermarks",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.add_column("buildsets", sa.Column("found_by", sa.Text(), server_default="stream", nullable=False))
    op.execute("update buildsets set found_by = 'operator' where trigger = 'operator'")


def downgrade() -> None:
    op.drop_column("buildsets", "found_by")
    op.drop_table("watermarks")
