"""A limit of a tenant's bytes of photographs, and how many bytes and images a tenant has."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

INDEXES = {"ix_source_held": "source", "ix_image_held": "image"}


def upgrade() -> None:
    op.add_column("api_key", sa.Column("source_bytes", sa.BigInteger(), nullable=True))
    for name, table in INDEXES.items():
        op.create_index(
            name,
            table,
            ["tenant"],
            postgresql_include=["size"],
            postgresql_where=sa.text("doomed_at is null"),
        )


def downgrade() -> None:
    for name, table in INDEXES.items():
        op.drop_index(name, table_name=table)
    op.drop_column("api_key", "source_bytes")
