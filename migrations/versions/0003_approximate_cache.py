"""The approximate cache: prompts by their embedding, and the latents kept of their images."""

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import HALFVEC
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

OUTCOMES = ("miss", "exact", "coalesced")


def upgrade() -> None:
    # Needs a superuser where pgvector is not installed in the database yet.
    op.execute("create extension if not exists vector")
    op.create_table(
        "approximate_entry",
        sa.Column("generation_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("bundle_revision", sa.String(), nullable=False),
        sa.Column("prompt", sa.String(), nullable=False),
        sa.Column("embedding", HALFVEC(1024), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("generation_id"),
    )
    # Two kilobytes each: in the row, not beside it, so that a small scope is read in one go.
    op.execute("alter table approximate_entry alter column embedding set storage plain")
    op.create_index(
        "ix_approximate_entry_scope", "approximate_entry", ["tenant", "scope"], unique=False
    )
    op.create_index(
        "ix_approximate_entry_embedding",
        "approximate_entry",
        ["embedding"],
        unique=False,
        postgresql_using="hnsw",
        postgresql_ops={"embedding": "halfvec_cosine_ops"},
    )
    op.create_table(
        "approximate_latents",
        sa.Column("generation_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("hits", sa.Integer(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("last_hit_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["generation_id"], ["approximate_entry.generation_id"], ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("generation_id", "step"),
        sa.UniqueConstraint("key"),
    )
    op.add_column("generation", sa.Column("approximate_scope", sa.String(), nullable=True))
    op.add_column("generation", sa.Column("exact_fingerprint", sa.String(), nullable=True))
    op.add_column(
        "generation",
        sa.Column("approximation", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    )
    op.add_column("api_key", sa.Column("approximate", sa.Boolean(), nullable=True))
    _allow((*OUTCOMES, "approximate"))


def _allow(outcomes: tuple[str, ...]) -> None:
    """Replace the check of what a job's `cache` may be."""
    op.drop_constraint("cacheoutcome", "job", type_="check")
    listed = ", ".join(f"'{outcome}'" for outcome in outcomes)
    op.create_check_constraint("cacheoutcome", "job", f"cache in ({listed})")


def downgrade() -> None:
    op.execute("update job set cache = 'miss' where cache = 'approximate'")
    _allow(OUTCOMES)
    op.drop_column("api_key", "approximate")
    for name in ("approximation", "exact_fingerprint", "approximate_scope"):
        op.drop_column("generation", name)
    op.drop_table("approximate_latents")
    op.drop_table("approximate_entry")
