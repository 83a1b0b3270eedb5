"""Renditions: images as channels want them, under names that callers choose."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

JSONB = postgresql.JSONB(astext_type=sa.Text())


def upgrade() -> None:
    op.add_column("job", sa.Column("files", JSONB, server_default=sa.text("'{}'"), nullable=False))
    op.add_column(
        "generation", sa.Column("channels", JSONB, server_default=sa.text("'[]'"), nullable=False)
    )
    # A token of its own for each image that is there already: the table is written anew.
    op.add_column(
        "image",
        sa.Column("token", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
    )
    op.create_unique_constraint("image_token_key", "image", ["token"])
    op.create_table(
        "rendition",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("image_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("spec", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("content_type", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("upscaled", sa.Float(), nullable=True),
        sa.Column("ground", sa.String(), nullable=False),
        sa.Column("fill", sa.Float(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("image_id", "channel", "spec"),
        sa.UniqueConstraint("key"),
    )


def downgrade() -> None:
    op.drop_table("rendition")
    op.drop_column("image", "token")
    op.drop_column("generation", "channels")
    op.drop_column("job", "files")
