"""What Postgres' planner knows of the tables that sheets fill."""

from sqlalchemy import text

from core.db.engine import Database

MANY = 1000
"""Rows that are worth a new look at the tables."""


def refresh(database: Database) -> None:
    """Let Postgres look at the tables again, as its manual advises after many rows came at once.

    Until it does so by itself, a minute later, statements keep plans that were made for a small
    table: recording an image would read all of it. Sees to nothing where somebody looks already.
    """
    with database.reader() as session:
        session.execute(text("analyze (skip_locked) job, generation"))
