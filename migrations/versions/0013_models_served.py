"""Which model each worker serves, and which one queued work waits for."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0011"
branch_labels = None
depends_on = None

OF_ITS_ROWS = """
update backlog set bundle_revision = (
    select bundle_revision from generation
    where state = 'queued' and backlog_id is not null and backlog_id = backlog.id limit 1
)
"""
OF_ITS_JOBS = """
update batch set bundle_revision = (
    select generation.bundle_revision from job join generation on generation.id = job.generation_id
    where job.batch_id = batch.id and job.state in ('queued', 'running') limit 1
)
where state = 'running'
"""


def upgrade() -> None:
    op.create_table(
        "worker",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("bundle_revision", sa.String(), nullable=False),
        sa.Column(
            "seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_index("ix_worker_seen", "worker", ["seen_at", "bundle_revision"])
    op.add_column("backlog", sa.Column("bundle_revision", sa.String(), nullable=True))
    op.execute(OF_ITS_ROWS)
    # In those nothing waits.
    op.execute("delete from backlog where bundle_revision is null")
    op.alter_column("backlog", "bundle_revision", nullable=False)
    op.add_column("batch", sa.Column("bundle_revision", sa.String(), nullable=True))
    op.execute(OF_ITS_JOBS)


def downgrade() -> None:
    op.drop_column("batch", "bundle_revision")
    op.drop_column("backlog", "bundle_revision")
    op.drop_table("worker")
