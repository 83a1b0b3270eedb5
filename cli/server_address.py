"""The address of a server, as a user or a setting gives it."""

from urllib.parse import urlsplit

from cli.errors import UsageError


def host_of(url: str) -> str:
    """Return the host of a server's URL.

    Raises:
        UsageError: It is no address of a server.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{url!r} is not a URL like http://127.0.0.1:8000.")
    return parts.hostname


def is_this_machine(host: str) -> bool:
    """Check whether a host is this machine alone, where no proxy leads and nobody else comes."""
    return host in ("127.0.0.1", "::1", "localhost")
