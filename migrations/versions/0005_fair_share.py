"""Which queue a message went to, and whose turn it is in a lane."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "generation",
        sa.Column("published_first", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.create_index(
        "ix_generation_queued",
        "generation",
        ["lane", "tenant", "published_at", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'queued'"),
    )


def downgrade() -> None:
    op.drop_index("ix_generation_queued", table_name="generation")
    op.drop_column("generation", "published_first")
