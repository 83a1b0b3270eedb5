"""How many images lately shared a worker's UNet calls."""

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("worker", sa.Column("images_per_call", sa.Float(), nullable=True))


def downgrade() -> None:
    op.drop_column("worker", "images_per_call")
