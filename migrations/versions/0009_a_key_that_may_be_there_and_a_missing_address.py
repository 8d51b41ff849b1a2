"""a key that may be there, and why an address is missing."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("holds", sa.Column("may_have_key", sa.Boolean(), server_default=sa.false(), nullable=False))
    # whether an owner of before had a key is not known: the node is looked at once
    has_begun = "began_at is not null and ended_at is null"
    op.execute(f"update holds set may_have_key = true where key_at is not null or ({has_begun})")
    op.add_column("nodes", sa.Column("no_address", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("nodes", "no_address")
    op.drop_column("holds", "may_have_key")
