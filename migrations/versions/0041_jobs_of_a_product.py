"""An index by which a tenant's jobs of one product are found."""

from alembic import op

revision = "0041"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_job_tenant_sku", "job", ["tenant", "sku", "id"])


def downgrade() -> None:
    op.drop_index("ix_job_tenant_sku", "job")
