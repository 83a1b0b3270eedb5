"""Sessions of the workbench."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "page_session",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("digest", sa.String(), nullable=False, unique=True),
        sa.Column(
            "api_key_id",
            sa.Uuid(),
            sa.ForeignKey("api_key.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("key_digest", sa.String(), nullable=False),
        sa.Column("created_at", moment, server_default=sa.func.now(), nullable=False),
        sa.Column("last_used_at", moment, server_default=sa.func.now(), nullable=False),
        sa.Column("expires_at", moment, nullable=False),
    )
    op.create_index("ix_page_session_api_key_id", "page_session", ["api_key_id"])
    op.create_index("ix_page_session_expires_at", "page_session", ["expires_at"])


def downgrade() -> None:
    op.drop_table("page_session")
