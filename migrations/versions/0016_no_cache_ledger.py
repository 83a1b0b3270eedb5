"""Without the caches' counts: a tenant's come from its jobs, the rest is Prometheus'."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("cache_holding")
    op.drop_table("cache_stat")


def downgrade() -> None:
    op.create_table(
        "cache_stat",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("steps_saved", sa.Float(), nullable=False),
        sa.Column("seconds_saved", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "level", "outcome"),
    )
    op.create_table(
        "cache_holding",
        sa.Column("process", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("process", "level"),
    )
