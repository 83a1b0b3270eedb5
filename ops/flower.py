"""Flower behind a password, to look at only: `python -m ops.flower`.

Flower itself answers `/metrics`, `/healthcheck` and its static files without one. Here every
request is asked for it, before Flower looks for a route, but those of people whom the workbench
sent (`core/flower_pass.py`). And nothing can be changed: what Flower
would revoke, grow or send goes past Postgres, which is the truth. Its own variables and options
apply otherwise: `FLOWER_BASIC_AUTH=user:password`, `FLOWER_ADDRESS`, `FLOWER_PORT`.
"""

import atexit
import re
import signal
import sys
from base64 import b64decode, b64encode
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
from core.flower_pass import LIFETIMES, Kind, is_valid, make_pass
from core.queue import make_celery
from core.settings import Settings
from core.startup import run_or_explain

VISIT_COOKIE = "packshot_flower"
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


class Entrance(RequestHandler):
    """Gives who comes with a ticket a cookie for it, and an address without it."""

    def get(self) -> None:
        """Answer 303."""
        self.set_cookie(
            VISIT_COOKIE,
            make_pass(Kind.VISIT, self.application.options.basic_auth[0]),  # type: ignore[attr-defined]
            max_age=int(LIFETIMES[Kind.VISIT].total_seconds()),
            httponly=True,
            samesite="lax",
            secure=self.request.protocol == "https",
        )
        self.redirect("./", status=303)


class ClosedFlower(Flower):
    """Flower that hands no request to any route without the password or a pass."""

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """Find what answers a request."""
        logins = self.options.basic_auth
        if request.method == "GET" and has_pass(Kind.TICKET, sent_ticket(request), logins):
            return self.get_handler_delegate(request, Entrance)
        visit = request.cookies.get(VISIT_COOKIE)
        if visit is not None and has_pass(Kind.VISIT, visit.value, logins):
            # Flower's own pages ask for the password once more.
            sent = b64encode(logins[0].encode()).decode()
            request.headers["Authorization"] = f"Basic {sent}"
        if not is_admitted(request.headers.get("Authorization", ""), logins):
            return self.get_handler_delegate(request, Refusal)
        return super().find_handler(request, **kwargs)


def sent_ticket(request: HTTPServerRequest) -> str:
    """Return the ticket in a request's address; empty: it has none."""
    return b"".join(request.query_arguments.get(Kind.TICKET, ())).decode(errors="replace")


def has_pass(kind: Kind, text: str, logins: Iterable[str]) -> bool:
    """Check whether a text is a pass of this kind, of one of the logins."""
    return any(is_valid(text, kind, one) for one in logins)


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
