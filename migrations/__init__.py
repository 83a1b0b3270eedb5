"""The database's schema: Alembic revisions, and the function that runs them."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from psycopg.errors import DeadlockDetected
from sqlalchemy.exc import OperationalError

ATTEMPTS = 5
HERE = Path(__file__).parent


def configuration(database_url: str) -> Config:
    """Make Alembic's configuration for this folder and that database."""
    config = Config()
    config.set_main_option("script_location", str(HERE).replace("%", "%%"))
    config.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
    return config


def upgrade(database_url: str) -> None:
    """Bring the database to the newest revision; safe to run from several processes at once.

    A revision that locks several tables may meet a transaction of a running process that locks
    them in another order. Postgres ends one of the two; all is one transaction, so it is begun
    again.

    Raises:
        sqlalchemy.exc.OperationalError: It met one ATTEMPTS times, or could not be run.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            command.upgrade(configuration(database_url), "head")
            return
        except OperationalError as error:
            if attempt == ATTEMPTS or not isinstance(error.orig, DeadlockDetected):
                raise
