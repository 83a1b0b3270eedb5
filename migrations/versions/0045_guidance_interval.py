"""When guidance is on: part of what decides an image, not of its model alone."""

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

# In the order in which transactions of running processes lock them.
TABLES = ("generation", "job")


def upgrade() -> None:
    # Workers of the version before write neither.
    for table in TABLES:
        op.add_column(
            table, sa.Column("guidance_start", sa.Float(), server_default="0", nullable=False)
        )
        op.add_column(
            table, sa.Column("guidance_end", sa.Float(), server_default="1", nullable=False)
        )


def downgrade() -> None:
    for table in TABLES:
        op.drop_column(table, "guidance_end")
        op.drop_column(table, "guidance_start")
