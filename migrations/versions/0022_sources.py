"""Photographs that come in, and the addresses that gave some."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

LIVE = "stored_at is not null and doomed_at is null"
LEAVING = "stored_at is null or doomed_at is not null"


def upgrade() -> None:
    op.create_table(
        "source",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content_type", sa.String(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("file_name", sa.String(), nullable=False),
        _moment("created_at", now=True),
        _moment("last_used_at", now=True),
        _moment("stored_at"),
        _moment("doomed_at"),
    )
    op.create_index(
        "uq_source_digest",
        "source",
        ["tenant", "digest"],
        unique=True,
        postgresql_where=sa.text(LIVE),
    )
    op.create_index("ix_source_listed", "source", ["tenant", "id"])
    op.create_index("ix_source_last_used_at", "source", ["last_used_at"])
    op.create_index(
        "ix_source_leaving", "source", ["created_at"], postgresql_where=sa.text(LEAVING)
    )
    op.create_table(
        "fetched_address",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("address_digest", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column(
            "source_id",
            sa.Uuid(),
            sa.ForeignKey("source.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("etag", sa.String(), nullable=True),
        sa.Column("last_modified", sa.String(), nullable=True),
        sa.Column("fresh_until", sa.DateTime(timezone=True), nullable=False),
        _moment("created_at", now=True),
        sa.UniqueConstraint("tenant", "address_digest"),
    )
    op.create_index("ix_fetched_address_source_id", "fetched_address", ["source_id"])


def _moment(name: str, *, now: bool = False) -> sa.Column[sa.DateTime]:
    default = sa.text("now()") if now else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=not now, server_default=default)


def downgrade() -> None:
    op.drop_table("fetched_address")
    op.drop_table("source")
