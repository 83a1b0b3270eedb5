"""Alternative texts of images, and runs that put images into stores."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0031"
down_revision = "0036"
branch_labels = None
depends_on = None

STATES = ("planning", "planned", "running", "published", "undoing", "undone", "failed")
ITEM_STATES = ("planned", "not_found", "published", "failed", "undone")
DUE = "state in ('planning', 'running', 'undoing')"


def upgrade() -> None:
    op.add_column("job", sa.Column("alt_text", sa.String(), nullable=False, server_default=""))
    op.create_table(
        "publish_target",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", _enum("storekind", "shopify", "woocommerce"), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("credentials", sa.LargeBinary(), nullable=True),
        _moment("deleted_at"),
        _moment("created_at", now=True),
    )
    op.create_index(
        "uq_publish_target_name",
        "publish_target",
        ["tenant", "name"],
        unique=True,
        postgresql_where=sa.text("deleted_at is null"),
    )
    op.create_table(
        "publish_run",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("target_id", sa.Uuid(), sa.ForeignKey("publish_target.id"), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("placement", _enum("placement", "last", "first"), nullable=False),
        sa.Column("state", _enum("publishstate", *STATES), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("failures", sa.Integer(), nullable=False, server_default="0"),
        _moment("not_before", now=True),
        _moment("created_at", now=True),
        _moment("started_at"),
        _moment("finished_at"),
    )
    op.create_index("ix_publish_run_tenant", "publish_run", ["tenant", "id"])
    op.create_index(
        "ix_publish_run_due", "publish_run", ["target_id", "id"], postgresql_where=sa.text(DUE)
    )
    op.create_table(
        "publish_item",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column(
            "run_id",
            sa.Uuid(),
            sa.ForeignKey("publish_run.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("product", sa.String(), nullable=True),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("images", JSONB(), nullable=False),
        sa.Column("before", JSONB(none_as_null=True), nullable=True),
        _moment("began_at"),
        sa.Column("state", _enum("publishitemstate", *ITEM_STATES), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        _moment("created_at", now=True),
        _moment("finished_at"),
    )
    op.create_index("ix_publish_item_run", "publish_item", ["run_id", "position"])


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, length=16, create_constraint=True)


def _moment(name: str, *, now: bool = False) -> sa.Column[sa.DateTime]:
    default = sa.text("now()") if now else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=not now, server_default=default)


def downgrade() -> None:
    op.drop_table("publish_item")
    op.drop_table("publish_run")
    op.drop_table("publish_target")
    op.drop_column("job", "alt_text")
