"""Flower behind a password, to look at only: `python -m ops.flower`.

Flower itself answers `/metrics`, `/healthcheck` and its static files without one. Here every
request is asked for it, before Flower looks for a route. And nothing can be changed: what Flower
would revoke, grow or send goes past Postgres, which is the truth. Its own variables and options
apply otherwise: `FLOWER_BASIC_AUTH=user:password`, `FLOWER_ADDRESS`, `FLOWER_PORT`.
"""

import atexit
import re
import signal
import sys
from base64 import b64decode
from collections.abc import Iterable
from hmac import compare_digest
from typing import Any

from flower.app import Flower
from flower.command import (
    apply_env_options,
    apply_options,
    extract_settings,
    setup_logging,
    sigterm_handler,
)
from flower.options import options
from flower.urls import settings as flower_settings
from tornado.httputil import HTTPServerRequest
from tornado.web import RequestHandler

from core.errors import InvalidSettingError
from core.queue import make_celery
from core.settings import Settings
from core.startup import run_or_explain

_LOGIN = re.compile(r"[^:]+:.+")


class Refusal(RequestHandler):
    """Asks for the password, whatever the request."""

    def check_xsrf_cookie(self) -> None:
        """Leave it: nothing is done here."""

    def prepare(self) -> None:
        """Answer 401."""
        self.set_status(401)
        self.set_header("WWW-Authenticate", 'Basic realm="Flower of packshot"')
        self.finish("Log in with the user and password of FLOWER_BASIC_AUTH.\n")


class ClosedFlower(Flower):
    """Flower that hands no request to any route without the password."""

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """Find what answers a request."""
        if not is_admitted(request.headers.get("Authorization", ""), self.options.basic_auth):
            return self.get_handler_delegate(request, Refusal)
        return super().find_handler(request, **kwargs)


def is_admitted(header: str, logins: Iterable[str]) -> bool:
    """Check whether an Authorization header has one of the logins, each `user:password`."""
    kind, _, sent = header.partition(" ")
    try:
        login = b64decode(sent, validate=True)
    except ValueError:
        return False
    known = [compare_digest(login, one.encode()) for one in logins]
    return kind.lower() == "basic" and any(known)


def run(settings: Settings) -> int:
    """Serve until a signal comes.

    Raises:
        InvalidSettingError: There is no password, or the port is in use.
    """
    apply_env_options()
    apply_options(sys.argv[0], sys.argv[1:])
    options.basic_auth = [one for one in options.basic_auth or () if _LOGIN.fullmatch(one)]
    if not options.basic_auth:
        raise InvalidSettingError(
            "Flower needs a password: set FLOWER_BASIC_AUTH to user:password."
        )
    options.read_only = True
    options.address = options.address or "127.0.0.1"
    extract_settings()
    setup_logging()
    celery = make_celery(settings)
    celery.set_default()
    flower = ClosedFlower(capp=celery, options=options, **flower_settings)
    atexit.register(flower.stop)
    signal.signal(signal.SIGTERM, sigterm_handler)
    try:
        flower.start_http_server()
    except OSError as error:
        raise InvalidSettingError(
            f"Flower cannot listen at {options.address}:{options.port} ({error.strerror}). Choose "
            "another FLOWER_PORT."
        ) from error
    flower.start()
    return 0


def main() -> int:
    """Run Flower; return the exit code."""
    return run_or_explain(run)


if __name__ == "__main__":
    sys.exit(main())
