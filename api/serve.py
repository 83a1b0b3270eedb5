"""The first process of an API: it looks whether all is there, serves, and starts the others."""

import logging
import os
import socket
import sys

from pydantic import ValidationError

from api.app import create_app
from api.family import Family
from api.readiness import require_all
from api.server import make_server
from api.server_process import ServerProcess, SheetProcess
from api.services import open_services
from core import logs
from core.errors import PackshotError
from core.settings import (
    Settings,
    describe_invalid_settings,
    describe_unknown_settings,
    get_settings,
)

UNAVAILABLE = 3
"""Exit code when something that the API needs is not there at its start."""
BACKLOG = 2048
"""Connections that may wait to be taken: uvicorn's default."""

logger = logging.getLogger("packshot.api")


def serve() -> int:
    """Serve until a signal comes, which raises `KeyboardInterrupt`; give the exit code."""
    try:
        settings = get_settings()
    except ValidationError as error:
        return _say(" ".join(describe_invalid_settings(error)))
    logs.configure(settings.log_level, settings.log_format)
    for sentence in describe_unknown_settings():
        logger.warning(sentence)
    try:
        look_around(settings)
        listener = _listen(settings)
    except PackshotError as error:
        return _say(error.detail)
    except OSError as error:
        return _say(
            f"cannot listen on {settings.api_host}, port {settings.api_port} ({error.strerror}). "
            "Choose another address with PACKSHOT_API_HOST or PACKSHOT_API_PORT."
        )
    logger.info("Listening on %s, port %s", settings.api_host, settings.api_port)
    sheets = SheetProcess()
    family = Family(first=os.getpid(), sheets_port=sheets.port)
    beside = [
        ServerProcess("api.request_server", listener, str(sheets.port))
        for _ in range(settings.api_processes - 1)
    ]
    server = make_server(
        create_app(settings, family=family), settings, beside=beside, behind=[sheets]
    )
    with listener:
        server.run(sockets=[listener])
    return 0 if server.started else UNAVAILABLE


def look_around(settings: Settings) -> None:
    """Ask everything that the API needs for a sign of life.

    Raises:
        PackshotError: naming the first that gives none, its address, and what to do.
    """
    with open_services(settings) as services:
        require_all(services)


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.api_host else socket.AF_INET
    return socket.create_server(
        (settings.api_host, settings.api_port), family=family, backlog=BACKLOG
    )


def _say(sentence: str) -> int:
    print(f"packshot api: {sentence}", file=sys.stderr)
    return UNAVAILABLE
