"""leftovers of every kind, zones, and the calls to clouds."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "api_calls",
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("call", sa.String(), nullable=False),
        sa.Column("request", sa.String(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("provider", "call", "request"),
    )
    op.add_column("nodes", sa.Column("zone", sa.Text(), nullable=True))
    op.add_column("nodes", sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True))
    # whether the servers of nodes that are being built were asked for is not known: they are looked for first
    op.execute("update nodes set asked_at = created_at")
    op.add_column("providers", sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("providers", sa.Column("swept_at", sa.DateTime(timezone=True), nullable=True))
    op.alter_column("strays", "server_id", new_column_name="cloud_id")
    op.add_column("strays", sa.Column("kind", sa.Text(), server_default="server", nullable=False))
    op.drop_constraint("strays_provider_server_id_key", "strays")
    op.create_unique_constraint("strays_provider_kind_cloud_id_key", "strays", ["provider", "kind", "cloud_id"])


def downgrade() -> None:
    op.execute("delete from strays where kind <> 'server'")
    op.drop_constraint("strays_provider_kind_cloud_id_key", "strays")
    op.drop_column("strays", "kind")
    op.alter_column("strays", "cloud_id", new_column_name="server_id")
    op.create_unique_constraint("strays_provider_server_id_key", "strays", ["provider", "server_id"])
    op.drop_column("providers", "swept_at")
    op.drop_column("providers", "asked_at")
    op.drop_column("nodes", "asked_at")
    op.drop_column("nodes", "zone")
    op.drop_table("api_calls")
