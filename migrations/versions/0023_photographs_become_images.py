"""What becomes of photographs: the mode of an image, its photograph, and what is known of it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("job", "generation"):
        op.add_column(
            table,
            sa.Column("mode", sa.String(16), nullable=False, server_default=sa.text("'text'")),
        )
        op.add_column(table, sa.Column("photograph", JSONB(), nullable=True))
    op.add_column("image", sa.Column("quality", JSONB(), nullable=True))
    op.add_column(
        "source",
        sa.Column("cutout_keys", JSONB(), nullable=False, server_default=sa.text("'[]'")),
    )


def downgrade() -> None:
    op.drop_column("source", "cutout_keys")
    op.drop_column("image", "quality")
    for table in ("generation", "job"):
        op.drop_column(table, "photograph")
        op.drop_column(table, "mode")
