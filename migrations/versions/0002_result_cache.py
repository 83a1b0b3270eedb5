"""The result cache: which images answer, how often, until when; and what the caches did."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

IN_FLIGHT = "state in ('queued', 'running')"


def upgrade() -> None:
    _image_columns()
    op.add_column(
        "generation",
        sa.Column("reusable", sa.Boolean(), server_default=sa.text("true"), nullable=False),
    )
    _in_flight_index(f"{IN_FLIGHT} and reusable")
    op.add_column(
        "api_key",
        sa.Column(
            "cache",
            sa.Enum(
                "use",
                "refresh",
                "bypass",
                name="cachemode",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=True,
        ),
    )
    op.create_table(
        "cache_stat",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("steps_saved", sa.Float(), nullable=False),
        sa.Column("seconds_saved", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "level", "outcome"),
    )
    op.create_table(
        "cache_holding",
        sa.Column("process", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("process", "level"),
    )


def _image_columns() -> None:
    op.add_column(
        "image", sa.Column("reusable", sa.Boolean(), server_default=sa.text("true"), nullable=False)
    )
    op.add_column(
        "image", sa.Column("uses", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column(
        "image",
        sa.Column(
            "last_used_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
    )
    op.add_column("image", sa.Column("doomed_at", sa.DateTime(timezone=True), nullable=True))
    # Of several images of the same thing, the newest answered until now.
    op.execute(
        "update image set reusable = false from image newer where newer.tenant = image.tenant"
        " and newer.fingerprint = image.fingerprint and newer.id > image.id"
    )
    op.drop_index("ix_image_tenant_fingerprint", table_name="image")
    op.create_index(
        "ix_image_reusable",
        "image",
        ["tenant", "fingerprint"],
        unique=False,
        postgresql_where=sa.text("reusable"),
    )
    op.create_index(
        "ix_image_doomed",
        "image",
        ["doomed_at"],
        unique=False,
        postgresql_where=sa.text("doomed_at is not null"),
    )
    op.create_index("ix_image_key", "image", ["key"], unique=False)


def _in_flight_index(where: str) -> None:
    op.drop_index("uq_generation_in_flight", table_name="generation")
    op.create_index(
        "uq_generation_in_flight",
        "generation",
        ["tenant", "fingerprint"],
        unique=True,
        postgresql_where=sa.text(where),
    )


def downgrade() -> None:
    op.drop_table("cache_holding")
    op.drop_table("cache_stat")
    op.drop_column("api_key", "cache")
    # What runs for one request alone would be taken for the one that everybody may join.
    op.execute(
        "update generation set fingerprint = fingerprint || '-' || id"
        " where state in ('queued', 'running') and not reusable"
    )
    _in_flight_index(IN_FLIGHT)
    op.drop_column("generation", "reusable")
    for name in ("ix_image_key", "ix_image_doomed", "ix_image_reusable"):
        op.drop_index(name, table_name="image")
    op.create_index("ix_image_tenant_fingerprint", "image", ["tenant", "fingerprint"], unique=False)
    for name in ("doomed_at", "last_used_at", "uses", "reusable"):
        op.drop_column("image", name)
