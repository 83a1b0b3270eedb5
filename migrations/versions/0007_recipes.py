"""Recipes; how a batch's sheet was read, and which recipe it was made with."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

JSONB = postgresql.JSONB(astext_type=sa.Text())


def upgrade() -> None:
    op.create_table(
        "recipe",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("fields", JSONB, nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant", "name", "version"),
    )
    op.add_column(
        "batch", sa.Column("reading", JSONB, server_default=sa.text("'{}'"), nullable=False)
    )
    op.add_column("batch", sa.Column("recipe", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("batch", "recipe")
    op.drop_column("batch", "reading")
    op.drop_table("recipe")
