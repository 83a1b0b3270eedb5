"""`GET /metrics` of a process that has no other server: its own counts since its start.

Prometheus reads every worker and housekeeping, and adds up (docs/operations.md).
"""

import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal
from wsgiref.simple_server import WSGIRequestHandler, make_server

import structlog
from prometheus_client.exposition import ThreadingWSGIServer, make_wsgi_app
from pydantic import SecretStr

from core.errors import InvalidSettingError
from core.settings import Settings

log = structlog.get_logger(__name__)

HINT = (
    "Send the token of PACKSHOT_METRICS_TOKEN: `Authorization: Bearer <token>`. While it is not "
    "set, nobody can read the metrics."
)
"""What those are told whom metrics do not open for."""

PortSetting = Literal["worker_metrics_port", "housekeeping_metrics_port"]


class _Silent(WSGIRequestHandler):
    timeout = 10
    """Seconds that a caller may send nothing, or read nothing: it keeps a thread."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - wsgiref's name
        """Log nothing: it is read every few seconds."""


@contextmanager
def serving_metrics(settings: Settings, port_setting: PortSetting) -> Iterator[None]:
    """Serve them inside the block, if there is a port to do so on.

    Args:
        settings: Where the address, the port and the token are.
        port_setting: Which of them is this process's port.

    Raises:
        InvalidSettingError: The port cannot be had.
    """
    port: int = getattr(settings, port_setting)
    if not port:
        yield
        return
    host = settings.worker_metrics_host
    try:
        server = make_server(
            host,
            port,
            _application(settings.metrics_token),
            ThreadingWSGIServer,
            handler_class=_Silent,
        )
    except OSError as error:
        raise InvalidSettingError(
            f"Metrics cannot be served at {host}:{port} ({error.strerror}). Choose another "
            f"PACKSHOT_{port_setting.upper()} (each process of a machine needs its own), or 0 for "
            "none."
        ) from error
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    log.info("metrics", address=f"{host}:{port}")
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _application(token: SecretStr | None) -> Callable[..., Sequence[bytes]]:
    metrics = make_wsgi_app()

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Sequence[bytes]:
        if opens_metrics(environ.get("HTTP_AUTHORIZATION", ""), token):
            answer: Sequence[bytes] = metrics(environ, start_response)
            return answer
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("WWW-Authenticate", "Bearer")]
        start_response("401 Unauthorized", headers)
        return [HINT.encode()]

    return application


def opens_metrics(authorization: str, token: SecretStr | None) -> bool:
    """Check an Authorization header for the token, so that no tenant's key opens metrics."""
    wanted = token.get_secret_value() if token else ""
    sent = authorization.removeprefix("Bearer ")
    return bool(wanted) and secrets.compare_digest(sent.encode(), wanted.encode())
