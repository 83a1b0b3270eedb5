"""Which server a command talks to."""

from cli.client import Client
from cli.embedded import find_server
from cli.errors import UsageError
from core.settings import get_settings


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
