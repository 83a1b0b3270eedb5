"""What erasure and retention find their rows by."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0017"
branch_labels = None
depends_on = None

INDEXES = (
    ("ix_batch_deleted", "batch", "deleted_at", "deleted_at is not null"),
    ("ix_batch_finished", "batch", "finished_at", "finished_at is not null"),
    ("ix_job_finished_alone", "job", "finished_at", "batch_id is null and finished_at is not null"),
    ("ix_webhook_event_batch", "webhook_event", "batch_id", "batch_id is not null"),
    ("ix_webhook_event_job", "webhook_event", "job_id", "batch_id is null and job_id is not null"),
)


def upgrade() -> None:
    op.add_column("batch", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("idempotency_record", sa.Column("resource", sa.String(), nullable=True))
    op.create_index("ix_idempotency_record_resource", "idempotency_record", ["resource"])
    for name, table, column, where in INDEXES:
        op.create_index(name, table, [column], postgresql_where=sa.text(where))


def downgrade() -> None:
    for name, table, _, _ in INDEXES:
        op.drop_index(name, table)
    op.drop_index("ix_idempotency_record_resource", "idempotency_record")
    op.drop_column("idempotency_record", "resource")
    op.drop_column("batch", "deleted_at")
