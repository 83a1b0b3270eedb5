"""The settings that lead commands of the operator to the database."""

from cli.errors import UsageError
from core.settings import Settings, get_settings
from local.lock import running


def service_settings() -> Settings:
    """Return the settings of the services that were named, or of the stack that runs here.

    Raises:
        UsageError: None were named, and none runs here.
    """
    settings = get_settings()
    if "database_url" in settings.model_fields_set:
        return settings
    record = running(settings.home.expanduser().resolve()) or {}
    environment = record.get("environment")
    if environment is None:
        raise UsageError(
            f"No packshot runs on {settings.home}. Start it with `packshot up`, "
            "or name another database with PACKSHOT_DATABASE_URL."
        )
    found = {
        name.removeprefix("PACKSHOT_").lower(): value
        for name, value in environment.items()
        if name.startswith("PACKSHOT_")
    }
    return Settings(**found)
