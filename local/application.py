"""packshot's own processes, as the stack runs them."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from local.ports import LOOPBACK, free_port
from local.service import Restart, Service

HEALTH_PATH = "/healthz"
WORKER_NICENESS = 10
"""It takes all cores for minutes; requests want them for milliseconds (decision 0020)."""
SHEETS_NICENESS = 5
"""Whoever waits for a single answer goes before whoever sends a sheet."""
START_SECONDS = 180.0
"""A second or two on an idle machine; the model may be in training beside it."""


def application(
    *,
    api_host: str = "127.0.0.1",
    api_port: int = 8000,
    api_stop_seconds: float = 15.0,
    workers: Sequence[Mapping[str, str]] = ({},),
    metrics_port: int = 0,
    flower_port: int | None = None,
    flower_login: str | None = None,
) -> Sequence[Service]:
    """Return the services of one machine, in the order of their start.

    Workers come first: loading the model takes longer than everything else, and needs none of it.

    Args:
        api_host: Address that the API listens on.
        api_port: Its port.
        api_stop_seconds: How long the API and its service for sheets have to end after SIGTERM.
        workers: The environment of each worker process, beside the stack's; each loads the model.
        metrics_port: Port at which the first worker serves its metrics, the next one at the next;
            0: they do not.
        flower_port: Port of Flower, on loopback; None: no Flower.
        flower_login: `user:password` that Flower asks for.
    """
    services = _workers(workers, metrics_port)
    services += [
        Service(
            name="migrate",
            argv=_module("cli", "migrate"),
            restart=Restart.ONCE,
            ready_seconds=START_SECONDS,
        ),
        *_api(api_host, api_port, api_stop_seconds),
        Service(name="housekeeping", argv=_module("ops.housekeeping")),
        # Long enough for the receivers that have been asked.
        Service(name="webhooks", argv=_module("ops.webhooks"), stop_seconds=30),
    ]
    if flower_port is not None:
        services.append(_flower(flower_port, flower_login))
    return services


def _workers(environments: Sequence[Mapping[str, str]], metrics_port: int) -> list[Service]:
    services = []
    for number, environment in enumerate(environments, start=1):
        own = {"PACKSHOT_WORKER_METRICS_PORT": str(metrics_port and metrics_port + number - 1)}
        services.append(
            Service(
                name="worker" if len(environments) == 1 else f"worker-{number}",
                argv=_module("worker"),
                environment={**own, **environment},
                stop_seconds=60,
                niceness=WORKER_NICENESS,
            )
        )
    return services


def _api(host: str, port: int, stop_seconds: float) -> list[Service]:
    sheets_port = free_port()
    return [
        Service(
            name="sheets",
            argv=_module("api.sheets"),
            environment={
                "PACKSHOT_API_HOST": LOOPBACK,
                "PACKSHOT_API_PORT": str(sheets_port),
                **_drain(),
            },
            stop_seconds=stop_seconds,
            niceness=SHEETS_NICENESS,
        ),
        Service(
            name="api",
            argv=_module("api"),
            environment={
                "PACKSHOT_API_HOST": host,
                "PACKSHOT_API_PORT": str(port),
                "PACKSHOT_SHEETS_URL": f"http://{LOOPBACK}:{sheets_port}",
                **_drain(),
            },
            # Both start at the same time, and the first request may be a sheet.
            ready=_answer((reachable(host), port), (LOOPBACK, sheets_port)),
            ready_seconds=START_SECONDS,
            stop_seconds=stop_seconds,
        ),
    ]


def _flower(port: int, login: str | None) -> Service:
    return Service(
        name="flower",
        argv=_module("ops.flower", f"--port={port}"),
        # Not as an option: everybody on the machine can read a command line.
        environment={"FLOWER_BASIC_AUTH": login} if login else {},
        stop_seconds=5,
    )


def _drain() -> Mapping[str, str]:
    """Return how long the API goes on after SIGTERM: no longer than one look at it takes here."""
    return {} if "PACKSHOT_DRAIN_SECONDS" in os.environ else {"PACKSHOT_DRAIN_SECONDS": "0.5"}


def _module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", name, *arguments]


def reachable(host: str) -> str:
    """Return the address at which this machine reaches a server that listens on `host`."""
    return LOOPBACK if host == "0.0.0.0" else host


def _answer(*addresses: tuple[str, int]) -> Callable[[], bool]:
    """Make a readiness check: the servers at all of these hosts and ports say that they live."""
    # A company's proxy does not reach this machine's own ports.
    opener = build_opener(ProxyHandler({}))

    def ready() -> bool:
        try:
            for host, port in addresses:
                opener.open(f"http://{host}:{port}{HEALTH_PATH}", timeout=2).close()
        except URLError:
            return False
        return True

    return ready
