"""what a change needs, and the trees of other projects."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    jsonb = postgresql.JSONB(astext_type=sa.Text())
    op.add_column("buildsets", sa.Column("needs", jsonb, server_default=sa.text("'[]'"), nullable=False))
    op.add_column("builds", sa.Column("other_trees", jsonb, server_default=sa.text("'[]'"), nullable=False))


def downgrade() -> None:
    op.drop_column("builds", "other_trees")
    op.drop_column("buildsets", "needs")
