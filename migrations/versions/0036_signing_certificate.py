"""The certificate that a deployment makes for itself to sign content credentials."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "signing_certificate",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("chain", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
    )


def downgrade() -> None:
    op.drop_table("signing_certificate")
