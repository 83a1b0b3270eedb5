"""`python -m api.sheets`: the application once more, for sheets alone (decision 0031).

Reading a large sheet takes seconds of an interpreter, which the threads of a process share: in the
API's own processes it would stand in the way of every other request. They pass sheets on to this
service where `PACKSHOT_SHEETS_URL` says so, and it hands each to a process that can be ended
(decision 0039).
"""

import sys
from typing import TYPE_CHECKING

from api.process.main import serve, start_worker

if TYPE_CHECKING:
    from fastapi import FastAPI


def application() -> "FastAPI":
    """Make the application, in the process that hands sheets out."""
    from api.app import create_app  # noqa: PLC0415
    from api.sheets.pool import SheetPool  # noqa: PLC0415

    settings = start_worker().model_copy(update={"sheets_url": ""})
    # Whoever passes the answer on counts the request.
    return create_app(settings, counts=False, freeze=True, sheets=SheetPool(settings))


if __name__ == "__main__":
    # Whoever passes the answer on writes headers of its own.
    sys.exit(
        serve(
            "api.sheets.__main__:application",
            processes=1,
            counts_together=True,
            server_header=False,
            date_header=False,
        )
    )
