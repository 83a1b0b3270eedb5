"""What people say of images, and whether images wait for it."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0031"
branch_labels = None
depends_on = None

SLOT = "slot is not null"
INDEXES = (
    ("ix_job_slot", ["slot"], False, SLOT),
    ("uq_job_picked", ["slot"], True, f"{SLOT} and approval = 'approved'"),
    (
        "ix_job_to_review",
        ["batch_id", "position", "id"],
        False,
        "state = 'succeeded' and approval = 'pending'",
    ),
)


def upgrade() -> None:
    for table in ("batch", "job"):
        op.add_column(
            table,
            sa.Column("require_approval", sa.Boolean(), nullable=False, server_default=sa.false()),
        )
    op.add_column(
        "job", sa.Column("approval", _approval(), nullable=False, server_default="pending")
    )
    op.create_check_constraint("approval", "job", "approval in ('pending', 'approved', 'rejected')")
    op.add_column(
        "job", sa.Column("approval_version", sa.Integer(), nullable=False, server_default="0")
    )
    op.add_column("job", sa.Column("judged_by", sa.String(), nullable=True))
    op.add_column("job", sa.Column("judged_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("job", sa.Column("judgement_reason", sa.String(), nullable=True))
    op.add_column("job", sa.Column("slot", sa.Uuid(), nullable=True))
    op.add_column("job", sa.Column("replaces", sa.Uuid(), nullable=True))
    for name, columns, unique, where in INDEXES:
        op.create_index(name, "job", columns, unique=unique, postgresql_where=sa.text(where))
    op.create_table(
        "judgement",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("job_id", sa.Uuid(), sa.ForeignKey("job.id", ondelete="CASCADE"), nullable=False),
        sa.Column("before", _approval(), nullable=False),
        sa.Column("after", _approval(), nullable=False),
        sa.Column("api_key_id", sa.Uuid(), nullable=True),
        sa.Column("judged_by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("digest", sa.String(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.func.now(),
            nullable=False,
        ),
    )
    op.create_index("ix_judgement_job_id", "judgement", ["job_id"])
    op.alter_column("api_key", "scopes", server_default=sa.text("'{read,submit,review,admin}'"))
    # What may do everything still may.
    op.execute(
        "update api_key set scopes = array_append(scopes, 'review')"
        " where scopes @> '{read,submit,admin}'"
    )


def downgrade() -> None:
    op.execute("update api_key set scopes = array_remove(scopes, 'review')")
    op.alter_column("api_key", "scopes", server_default=sa.text("'{read,submit,admin}'"))
    op.drop_table("judgement")
    for name, *_ in INDEXES:
        op.drop_index(name, "job")
    for column in (
        *("replaces", "slot", "judgement_reason", "judged_at", "judged_by"),
        *("approval_version", "approval", "require_approval"),
    ):
        op.drop_column("job", column)
    op.drop_column("batch", "require_approval")


def _approval() -> sa.String:
    return sa.String(length=16)
