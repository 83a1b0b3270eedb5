"""What each API key may do; those that were there may do everything."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "api_key",
        sa.Column(
            "scopes",
            postgresql.ARRAY(sa.String()),
            server_default=sa.text("'{read,submit,admin}'"),
            nullable=False,
        ),
    )


def downgrade() -> None:
    op.drop_column("api_key", "scopes")
