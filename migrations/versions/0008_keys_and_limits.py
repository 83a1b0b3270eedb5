"""Keys that expire, rotate and have limits; answers to be given again."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

MOMENTS = ("expires_at", "previous_until", "last_used_at")
LIMITS = ("requests_per_minute", "queued_images")


def upgrade() -> None:
    for name in MOMENTS:
        op.add_column("api_key", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    for name in LIMITS:
        op.add_column("api_key", sa.Column(name, sa.Integer(), nullable=True))
    op.add_column("api_key", sa.Column("previous_digest", sa.String(), nullable=True))
    op.create_unique_constraint("api_key_previous_digest_key", "api_key", ["previous_digest"])
    op.add_column("batch", sa.Column("api_key_id", sa.Uuid(), nullable=True))
    op.create_index(
        "ix_batch_open_key",
        "batch",
        ["api_key_id"],
        unique=False,
        postgresql_where=sa.text("state = 'running'"),
    )
    op.add_column("job", sa.Column("api_key_id", sa.Uuid(), nullable=True))
    op.create_index(
        "ix_job_open_key",
        "job",
        ["api_key_id"],
        unique=False,
        postgresql_where=sa.text("state in ('queued', 'running') and api_key_id is not null"),
    )
    op.create_table(
        "idempotency_record",
        sa.Column("api_key_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("api_key_id", "key"),
    )
    op.create_index(
        "ix_idempotency_record_created_at", "idempotency_record", ["created_at"], unique=False
    )


def downgrade() -> None:
    op.drop_table("idempotency_record")
    op.drop_index("ix_job_open_key", table_name="job")
    op.drop_column("job", "api_key_id")
    op.drop_index("ix_batch_open_key", table_name="batch")
    op.drop_column("batch", "api_key_id")
    op.drop_constraint("api_key_previous_digest_key", "api_key", type_="unique")
    for name in ("previous_digest", *LIMITS, *MOMENTS):
        op.drop_column("api_key", name)
