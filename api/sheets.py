"""`python -m api.sheets`: the application once more, for sheets alone (decision 0031).

Reading a large sheet takes seconds of an interpreter, which the threads of a process share: in the
API's own processes it would stand in the way of every other request. They pass sheets on to this
one where `PACKSHOT_SHEETS_URL` says so.
"""

import sys
from typing import TYPE_CHECKING

from api.process.main import serve, start_worker

if TYPE_CHECKING:
    from fastapi import FastAPI


def application() -> "FastAPI":
    """Make the application, in the process that reads sheets."""
    from api.app import create_app  # noqa: PLC0415

    settings = start_worker().model_copy(update={"sheets_url": ""})
    # Whoever passes the answer on counts the request.
    return create_app(settings, counts=False, freeze=True)


if __name__ == "__main__":
    # Whoever passes the answer on writes headers of its own.
    sys.exit(serve("api.sheets:application", processes=1, server_header=False, date_header=False))
