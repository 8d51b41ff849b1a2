"""since when a loop looks without a break; indexes for what every tick asks."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column(
        "hearts", sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)
    )
    op.create_index("ix_nodes_created_at", "nodes", ["created_at"])
    op.create_index("ix_events_unanswered", "events", ["change"], postgresql_where=sa.text("outcome IS NULL"))


def downgrade() -> None:
    op.drop_index("ix_events_unanswered", table_name="events")
    op.drop_index("ix_nodes_created_at", table_name="nodes")
    op.drop_column("hearts", "since")
