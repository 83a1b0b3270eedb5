"""The transaction that finished a job, by which listeners are told of it once."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job", sa.Column("finished_xid", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("job", "finished_xid")
