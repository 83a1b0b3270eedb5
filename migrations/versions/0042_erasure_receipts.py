"""Receipts of erasures, and of what photographs an image was made."""

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

COUNTS = ("jobs", "images", "renditions", "kept_images", "events", "photographs")
MASK = "(photograph ->> 'mask')"


def upgrade() -> None:
    op.create_table(
        "erasure_receipt",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("erased", sa.String(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in COUNTS),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.Column("rows_gone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("objects_gone_at", sa.DateTime(timezone=True), nullable=True),
    )
    op.create_index("ix_erasure_receipt_listed", "erasure_receipt", ["tenant", "id"])
    op.create_index(
        "ix_erasure_receipt_open",
        "erasure_receipt",
        ["created_at"],
        postgresql_where=sa.text("objects_gone_at is null"),
    )
    op.create_index("ix_erasure_receipt_created_at", "erasure_receipt", ["created_at"])
    op.add_column("image", sa.Column("made_of", sa.ARRAY(sa.String()), nullable=True))
    op.create_index(
        "ix_image_made_of",
        "image",
        ["made_of"],
        postgresql_using="gin",
        postgresql_where=sa.text("made_of is not null"),
    )
    op.create_index(
        "ix_generation_photograph",
        "generation",
        ["tenant", sa.text("(photograph ->> 'source')")],
        postgresql_where=sa.text("photograph is not null"),
    )
    op.create_index(
        "ix_generation_mask",
        "generation",
        ["tenant", sa.text(MASK)],
        postgresql_where=sa.text(f"{MASK} is not null"),
    )


def downgrade() -> None:
    op.drop_index("ix_generation_mask", "generation")
    op.drop_index("ix_generation_photograph", "generation")
    op.drop_index("ix_image_made_of", "image")
    op.drop_column("image", "made_of")
    op.drop_table("erasure_receipt")
