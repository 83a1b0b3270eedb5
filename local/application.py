"""packshot's own processes, as the stack runs them."""

import sys
from collections.abc import Callable, Sequence
from urllib.error import URLError
from urllib.request import urlopen

from local.service import Restart, Service

HEALTH_PATH = "/healthz"


def application(
    *,
    api_host: str = "127.0.0.1",
    api_port: int = 8000,
    workers: int = 1,
    flower_port: int | None = None,
) -> Sequence[Service]:
    """Return the services of one machine, in the order of their start."""
    api = f"http://{api_host}:{api_port}"
    services = [
        Service(
            name="migrate",
            argv=_module("alembic", "upgrade", "head"),
            restart=Restart.ONCE,
        ),
        Service(
            name="api",
            argv=_module("api"),
            environment={"PACKSHOT_API_HOST": api_host, "PACKSHOT_API_PORT": str(api_port)},
            ready=_answers(api + HEALTH_PATH),
            stop_seconds=10,
        ),
        Service(name="housekeeping", argv=_module("worker.housekeeping")),
    ]
    for number in range(1, workers + 1):
        name = "worker" if workers == 1 else f"worker-{number}"
        services.append(Service(name=name, argv=_module("worker"), stop_seconds=60))
    if flower_port is not None:
        services.append(_flower(flower_port))
    return services


def _flower(port: int) -> Service:
    return Service(
        name="flower",
        argv=_module(
            *("celery", "-A", "worker.app", "flower"),
            *("--address=127.0.0.1", f"--port={port}"),
        ),
        stop_seconds=5,
    )


def _module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", name, *arguments]


def _answers(url: str) -> Callable[[], bool]:
    """Make a readiness check: the URL answers 200."""

    def ready() -> bool:
        try:
            with urlopen(url, timeout=2) as response:  # noqa: S310 - our own address
                return bool(response.status == 200)
        except URLError:
            return False

    return ready
