"""Alembic's entry point: run the revisions in one transaction, one process at a time."""

from alembic import context
from sqlalchemy import create_engine, text
from sqlmodel import SQLModel

import core.db.models  # noqa: F401  (fills SQLModel.metadata)

ADVISORY_LOCK = 0x7061636B  # "pack"; any fixed number that no other program uses


def run() -> None:
    """Apply the revisions."""
    engine = create_engine(context.config.get_main_option("sqlalchemy.url") or "")
    with engine.connect() as connection:
        context.configure(
            connection=connection, target_metadata=SQLModel.metadata, compare_type=True
        )
        with context.begin_transaction():
            # Several machines may start at once: the second waits, then finds nothing to do.
            connection.execute(text(f"select pg_advisory_xact_lock({ADVISORY_LOCK})"))
            context.run_migrations()
    engine.dispose()


run()
