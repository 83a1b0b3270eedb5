"""`python -m api.sheet_server SOCKET`: the application once more, for sheets alone.

SOCKET is the number of a listening socket that was inherited. It ends when its standard input does.
"""

import os
import sys

from api.parent import die_with_parent

NICENESS = 5
"""Whoever waits for a single answer goes before whoever sends a sheet."""


def main() -> None:
    """Serve what is passed on."""
    die_with_parent()
    os.nice(NICENESS)
    from api.app import create_app  # noqa: PLC0415
    from api.inherited import serve_inherited  # noqa: PLC0415
    from api.server import make_server  # noqa: PLC0415
    from core import logs  # noqa: PLC0415
    from core.settings import get_settings  # noqa: PLC0415

    settings = get_settings()
    logs.configure(settings.log_level, settings.log_format)
    # Whoever passes the answer on counts the request, and writes headers of its own.
    app = create_app(settings, counts=False)
    server = make_server(app, settings, server_header=False, date_header=False)
    serve_inherited(server, int(sys.argv[1]))


if __name__ == "__main__":
    main()
