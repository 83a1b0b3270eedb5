"""`packshot migrate`: the database's schema."""

from cli.console import say


def migrate() -> None:
    """Bring the database to the schema of this version; safe to run again and side by side."""
    from cli.services import service_settings  # noqa: PLC0415 - as below
    from core.db.engine import Database  # noqa: PLC0415 - takes half a second to import
    from migrations import upgrade  # noqa: PLC0415

    settings = service_settings()
    database = Database(settings)
    try:
        database.check()
    finally:
        database.close()
    upgrade(settings.database_url)
    say("The database has the schema of this version.")
