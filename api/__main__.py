"""`python -m api`: the server."""

import sys
from contextlib import suppress

from api.app import create_app
from api.readiness import require_all
from api.server import make_server
from api.services import open_services
from api.sheet_process import SheetProcess
from core import logs
from core.errors import PackshotError
from core.settings import Settings, get_settings

UNAVAILABLE = 3
"""Exit code when something that the API needs is not there at its start."""


def main() -> int:
    """Look whether everything is there, then serve until a signal comes."""
    settings = get_settings()
    logs.configure(settings.log_level, settings.log_format)
    try:
        look_around(settings)
    except PackshotError as error:
        print(f"packshot api: {error.detail}", file=sys.stderr)
        return UNAVAILABLE
    app = create_app(settings, sheets=SheetProcess())
    server = make_server(app, settings, host=settings.api_host, port=settings.api_port)
    with suppress(KeyboardInterrupt):
        server.run()
    return 0 if server.started else UNAVAILABLE


def look_around(settings: Settings) -> None:
    """Ask everything that the API needs for a sign of life.

    Raises:
        PackshotError: naming the first that gives none, its address, and what to do.
    """
    with open_services(settings) as services:
        require_all(services)


if __name__ == "__main__":
    sys.exit(main())
