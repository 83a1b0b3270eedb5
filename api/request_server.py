"""`python -m api.request_server SOCKET SHEETS_PORT`: one more process that answers requests.

SOCKET is the number of the API's listening socket, which was inherited; sheets are passed on to
SHEETS_PORT. It ends when its standard input does.
"""

import os
import sys

from api.parent import die_with_parent


def main() -> None:
    """Serve beside the first process."""
    die_with_parent()
    from api.app import create_app  # noqa: PLC0415
    from api.family import Family  # noqa: PLC0415
    from api.inherited import serve_inherited  # noqa: PLC0415
    from api.server import make_server  # noqa: PLC0415
    from core import logs  # noqa: PLC0415
    from core.settings import get_settings  # noqa: PLC0415

    settings = get_settings()
    logs.configure(settings.log_level, settings.log_format)
    number, sheets_port = (int(argument) for argument in sys.argv[1:])
    family = Family(first=os.getppid(), sheets_port=sheets_port)
    serve_inherited(make_server(create_app(settings, family=family), settings), number)


if __name__ == "__main__":
    main()
