"""Whose key a generation is, so that the keys of a tenant take turns."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

WITHOUT_KEY = ["lane", "tenant", "published_at", "id"]
WITH_KEY = ["lane", "tenant", "api_key_id", "published_at", "id"]


def upgrade() -> None:
    # A constant default is kept in the catalogue: no row is written, however many there are. What
    # is queued already has its turn as one key more.
    op.add_column(
        "generation",
        sa.Column(
            "api_key_id",
            sa.Uuid(),
            server_default=sa.text("'00000000-0000-0000-0000-000000000000'"),
            nullable=False,
        ),
    )
    _index_queued(WITH_KEY)


def downgrade() -> None:
    _index_queued(WITHOUT_KEY)
    op.drop_column("generation", "api_key_id")


def _index_queued(columns: list[str]) -> None:
    op.drop_index("ix_generation_queued", table_name="generation")
    op.create_index(
        "ix_generation_queued",
        "generation",
        columns,
        unique=False,
        postgresql_where=sa.text("state = 'queued'"),
    )
