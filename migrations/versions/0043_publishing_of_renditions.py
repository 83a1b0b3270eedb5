"""Publishing into buckets, and of what images become for a channel."""

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

KINDS = ("shopify", "woocommerce")


def upgrade() -> None:
    op.add_column("publish_run", sa.Column("channel", sa.String(), nullable=True))
    _allow((*KINDS, "s3"))


def _allow(kinds: tuple[str, ...]) -> None:
    """Replace the check of what kinds of targets there are."""
    op.drop_constraint("storekind", "publish_target", type_="check")
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    op.create_check_constraint("storekind", "publish_target", f"kind in ({listed})")


def downgrade() -> None:
    # Their runs stay, as those of a target that somebody deleted.
    op.execute(
        "update publish_target set kind = 'woocommerce', credentials = null, "
        "deleted_at = coalesce(deleted_at, now()) where kind = 's3'"
    )
    _allow(KINDS)
    op.drop_column("publish_run", "channel")
