"""A sheet may mix models: which one makes its image stands with each job."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0019"
branch_labels = None
depends_on = None

OF_ITS_GENERATION = """
update job set bundle_revision = generation.bundle_revision
from generation
where generation.id = job.generation_id and job.state in ('queued', 'running')
"""
OF_ITS_JOBS = """
update batch set bundle_revision = (
    select job.bundle_revision from job
    where job.batch_id = batch.id and job.state in ('queued', 'running')
    order by job.position limit 1
)
where state = 'running'
"""


def upgrade() -> None:
    op.add_column("job", sa.Column("model", sa.String(), nullable=True))
    op.add_column("job", sa.Column("bundle_revision", sa.String(), nullable=True))
    op.execute(OF_ITS_GENERATION)
    op.drop_column("batch", "bundle_revision")


def downgrade() -> None:
    op.add_column("batch", sa.Column("bundle_revision", sa.String(), nullable=True))
    op.execute(OF_ITS_JOBS)
    op.drop_column("job", "bundle_revision")
    op.drop_column("job", "model")
