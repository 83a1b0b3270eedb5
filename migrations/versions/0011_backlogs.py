"""What requests leave to the housekeeping, apart from what has its turn."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TURN = ["lane", "tenant", "api_key_id", "published_at", "id"]


def upgrade() -> None:
    op.create_table(
        "backlog",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "lane",
            sa.Enum(
                "interactive",
                "standard",
                "bulk",
                name="lane",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("api_key_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_backlog_turn", "backlog", ["lane", "tenant", "api_key_id", "id"])
    # What is queued already waits in none.
    op.add_column("generation", sa.Column("backlog_id", sa.Uuid(), nullable=True))
    _index_queued("state = 'queued' and backlog_id is null")
    op.create_index(
        "ix_generation_backlog",
        "generation",
        ["backlog_id", "id"],
        postgresql_where=sa.text("state = 'queued' and backlog_id is not null"),
    )


def downgrade() -> None:
    op.drop_index("ix_generation_backlog", table_name="generation")
    _index_queued("state = 'queued'")
    op.drop_column("generation", "backlog_id")
    op.drop_table("backlog")


def _index_queued(condition: str) -> None:
    op.drop_index("ix_generation_queued", table_name="generation")
    op.create_index("ix_generation_queued", "generation", TURN, postgresql_where=sa.text(condition))
