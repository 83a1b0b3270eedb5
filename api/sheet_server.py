"""`python -m api.sheet_server SOCKET`: the application once more, for sheets alone.

SOCKET is the number of a listening socket that was inherited. It ends with whoever started it:
when its standard input does.
"""

import os
import sys

from api.app import create_app
from api.inherited import serve_inherited
from api.server import make_server
from core import logs
from core.settings import get_settings

NICENESS = 5
"""Whoever waits for a single answer goes before whoever sends a sheet."""


def main() -> None:
    """Serve what is passed on."""
    settings = get_settings()
    logs.configure(settings.log_level, settings.log_format)
    os.nice(NICENESS)
    # Whoever passes the answer on counts the request, and writes headers of its own.
    app = create_app(settings, counts=False)
    server = make_server(app, settings, server_header=False, date_header=False)
    serve_inherited(server, int(sys.argv[1]))


if __name__ == "__main__":
    main()
