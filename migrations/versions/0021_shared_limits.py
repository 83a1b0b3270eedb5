"""A key that was made with a key that has limits counts in those."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0018"
branch_labels = None
depends_on = None

LIMITS = ("owner_requests_per_minute", "owner_queued_images")


def upgrade() -> None:
    op.add_column("api_key", sa.Column("limits_owner", sa.Uuid(), nullable=True))
    for name in LIMITS:
        op.add_column("api_key", sa.Column(name, sa.Integer(), nullable=True))
    op.create_index(
        "ix_api_key_limits_owner",
        "api_key",
        ["limits_owner"],
        postgresql_where=sa.text("limits_owner is not null"),
    )


def downgrade() -> None:
    op.drop_index("ix_api_key_limits_owner", table_name="api_key")
    for name in (*LIMITS, "limits_owner"):
        op.drop_column("api_key", name)
