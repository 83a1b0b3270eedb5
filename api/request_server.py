"""`python -m api.request_server SOCKET SHEETS_PORT`: one more process that answers requests.

SOCKET is the number of the API's listening socket, which was inherited; sheets are passed on to
SHEETS_PORT. It ends with whoever started it: when its standard input does.
"""

import os
import sys

from api.app import create_app
from api.family import Family
from api.inherited import serve_inherited
from api.server import make_server
from core import logs
from core.settings import get_settings


def main() -> None:
    """Serve beside the first process."""
    settings = get_settings()
    logs.configure(settings.log_level, settings.log_format)
    number, sheets_port = (int(argument) for argument in sys.argv[1:])
    family = Family(first=os.getppid(), sheets_port=sheets_port)
    serve_inherited(make_server(create_app(settings, family=family), settings), number)


if __name__ == "__main__":
    main()
