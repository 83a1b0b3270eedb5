"""A worker serves several models: a row for each."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

NEWEST_ONLY = """
delete from worker using worker as other
where worker.name = other.name
and (worker.seen_at, worker.bundle_revision) < (other.seen_at, other.bundle_revision)
"""


def upgrade() -> None:
    op.drop_constraint("worker_pkey", "worker")
    op.create_primary_key("worker_pkey", "worker", ["name", "bundle_revision"])


def downgrade() -> None:
    # Workers announce themselves again within seconds.
    op.execute(NEWEST_ONLY)
    op.drop_constraint("worker_pkey", "worker")
    op.create_primary_key("worker_pkey", "worker", ["name"])
