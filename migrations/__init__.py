"""The database's schema: Alembic revisions, and the function that runs them."""

from pathlib import Path

from alembic import command
from alembic.config import Config

HERE = Path(__file__).parent


def configuration(database_url: str) -> Config:
    """Make Alembic's configuration for this folder and that database."""
    config = Config()
    config.set_main_option("script_location", str(HERE).replace("%", "%%"))
    config.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
    return config


def upgrade(database_url: str) -> None:
    """Bring the database to the newest revision; safe to run from several processes at once."""
    command.upgrade(configuration(database_url), "head")
