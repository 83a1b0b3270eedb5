"""Alembic's entry point: run the revisions in one transaction, one process at a time."""

from alembic import context
from sqlalchemy import create_engine, text
from sqlmodel import SQLModel

import core.db.models  # noqa: F401  (fills SQLModel.metadata)
from core.db.connections import TCP

ADVISORY_LOCK = 0x7061636B  # "pack"; any fixed number that no other program uses
LOCK_SECONDS = 60
"""How long a revision waits for a table: everybody who comes later waits behind it."""
CONNECT_SECONDS = 10


def run() -> None:
    """Apply the revisions."""
    engine = create_engine(
        context.config.get_main_option("sqlalchemy.url") or "",
        connect_args={**TCP, "connect_timeout": CONNECT_SECONDS},
    )
    with engine.connect() as connection:
        context.configure(
            connection=connection, target_metadata=SQLModel.metadata, compare_type=True
        )
        with context.begin_transaction():
            # Several machines may start at once: the second waits, then finds nothing to do.
            connection.execute(text(f"select pg_advisory_xact_lock({ADVISORY_LOCK})"))
            connection.execute(text(f"set local lock_timeout = '{LOCK_SECONDS}s'"))
            context.run_migrations()
    engine.dispose()


run()
