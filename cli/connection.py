"""Which server and which database a command talks to."""

from cli.client.http import Client
from cli.embedded import find_server
from cli.errors import UsageError
from core.settings import Settings, fields_in, get_settings
from local.lock import running


def connect(url: str | None, key: str | None) -> Client:
    """Open the server that was named, or the one that runs here.

    Raises:
        UsageError: None was named, and none runs here.
    """
    if url is not None and key is not None:
        return Client(url, key)
    settings = get_settings()
    here = find_server(settings.home)
    if url is None and here is None:
        raise UsageError(
            f"No packshot runs on {settings.home}. Start one with `packshot up`, "
            "or name a server with --url and --key."
        )
    if here is not None and (url is None or url.rstrip("/") == here.url):
        return Client(here.url, key or here.key)
    raise UsageError(
        f"{url} needs an API key: give --key or PACKSHOT_KEY. "
        "Make one on the server with `packshot keys create`."
    )


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
    return Settings(**fields_in(environment))
