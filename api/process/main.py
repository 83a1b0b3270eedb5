"""How processes that answer requests are started, one or several at one address (decision 0031).

It imports little: where there are several, the one that starts them answers nothing itself.
"""

import logging
import math
import multiprocessing
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from api.process.drain import drain_before_end
from api.process.folder import locked_folder
from core import logs
from core.errors import PackshotError
from core.settings import Settings, get_settings
from core.startup import run_or_explain

if TYPE_CHECKING:
    from fastapi import FastAPI

    from api.process.connection import Connection
    from api.process.connections import Connections

BACKLOG = 2048
"""Connections that may wait to be taken: uvicorn's default."""
POLL_SECONDS = 0.1
HUNG_SECONDS = 30
"""How long a process may take to say that it lives; on a busy machine its start takes some."""

logger = logging.getLogger("packshot.api")


class ApiSupervisor(Multiprocess):
    """Uvicorn's supervisor, which refuses connections as soon as its processes are to end."""

    def terminate_all(self) -> None:
        """Refuse connections, and end all processes when their requests are answered."""
        for listener in self.sockets:
            listener.close()
        super().terminate_all()

    def join_all(self) -> None:
        """Wait until all have ended; pass a further signal on, which says not to drain any more."""
        while any(process.exitcode is None for process in self.processes):
            again = {signal.SIGINT, signal.SIGTERM} & set(self.signal_queue)
            self.signal_queue.clear()
            if again:
                super().terminate_all()
            time.sleep(POLL_SECONDS)
        super().join_all()


def serve(
    application: str, *, processes: int | None = None, counts_together: bool = False, **options: Any
) -> int:
    """Serve until a signal comes; return the exit code.

    Args:
        application: What makes the application in each process, as `module:function`.
        processes: How many answer requests, one is this process itself; None: as the settings say.
        counts_together: Whether a single process has others that count with it.
        options: Further ones of `uvicorn.Config`.
    """
    # Until uvicorn listens to signals itself; and the one that it stopped for it sends again.
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    def program(settings: Settings) -> int:
        number = processes or settings.api_processes
        try:
            # Without a service for sheets, the API's own processes for them count with it.
            together = number > 1 or counts_together or not settings.sheets_url
            with _counting(together=together):
                return _serve(settings, application, number, options)
        except KeyboardInterrupt:
            logging.shutdown()
            # The requests had their time: a thread that still waits for a service keeps nobody.
            os._exit(0)

    return run_or_explain(program)


def _serve(settings: Settings, application: str, processes: int, options: Mapping[str, Any]) -> int:
    answer = dependencies_answer if processes == 1 else _ask_apart
    if not answer(settings):
        return STARTUP_FAILURE
    try:
        listener = _listen(settings)
    except OSError as error:
        sys.stderr.write(
            f"packshot api: cannot listen on {settings.api_host}, port {settings.api_port} "
            f"({error.strerror}). Choose another address with PACKSHOT_API_HOST or "
            "PACKSHOT_API_PORT.\n"
        )
        return STARTUP_FAILURE
    logger.info("Listening on %s, port %s", settings.api_host, settings.api_port)
    config = uvicorn.Config(
        application,
        factory=True,
        workers=processes,
        log_level=settings.log_level.lower(),
        # Its lines look like all others.
        log_config=None,
        # By name, as what it counts is counted in the processes that answer.
        http="api.process.main:connection",
        # There are none here.
        ws="none",
        timeout_keep_alive=math.ceil(settings.keep_alive_seconds),
        # Publishing that is not finished then is the sweeper's.
        timeout_graceful_shutdown=settings.grace_seconds,
        timeout_worker_healthcheck=HUNG_SECONDS,
        **options,
    )
    with listener:
        if processes == 1:
            uvicorn.Server(config).run(sockets=[listener])
            return STARTUP_FAILURE  # nobody has stopped it
        return _supervise(config, listener)


@contextmanager
def _counting(*, together: bool) -> Iterator[None]:
    """Count for Prometheus in all processes together, or in this one by itself."""
    if not together:
        yield
        return
    with locked_folder() as folder:
        # prometheus_client reads it when it is imported.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
        yield


def _supervise(config: uvicorn.Config, listener: socket.socket) -> int:
    supervisor = ApiSupervisor(config, sockets=[listener])
    supervisor.run()
    failed = any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes)
    return STARTUP_FAILURE if failed else 0


def dependencies_answer(settings: Settings) -> bool:
    """Check every dependency of the API, and report which of them do not answer."""
    from api.process.readiness import require_all  # noqa: PLC0415
    from api.services import open_services  # noqa: PLC0415

    try:
        with open_services(settings) as services:
            require_all(services)
    except PackshotError as error:
        sys.stderr.write(f"packshot api: {error.detail}\n")
        return False
    return True


def _ask_apart(settings: Settings) -> bool:
    """Check in a process of its own, so that what is loaded for it does not stay in memory."""

    def ask() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        sys.exit(0 if dependencies_answer(settings) else 1)

    process = multiprocessing.get_context("fork").Process(target=ask)
    process.start()
    process.join()
    return process.exitcode == 0


def application() -> "FastAPI":
    """Make the application, in a process that answers requests."""
    from api.app import create_app  # noqa: PLC0415
    from api.sheets.pool import SheetPool  # noqa: PLC0415

    settings = start_worker()
    # Each process of the API has its own, under names of their own, and none before a sheet comes.
    own = None if settings.sheets_url else SheetPool(settings, name=f"{os.getpid()}-", ahead=False)
    return create_app(settings, freeze=True, sheets=own)


def start_worker() -> Settings:
    """Set up a process that answers requests; return the settings."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    settings = get_settings()
    logs.configure(settings.log_level, settings.log_format)
    drain_before_end(settings.drain_seconds)
    # Each connection is a file, and shells allow 1024.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return settings


def connection(**state: Any) -> "Connection":
    """Make one of the connections of a process that answers requests."""
    return _connections()(**state)


@lru_cache(maxsize=1)
def _connections() -> "Connections":
    from api.process.connections import Connections, Limits  # noqa: PLC0415

    return Connections(Limits.of(get_settings()))


def end_with_parent() -> None:
    """End when the process that started this one has ended, however: the port becomes free."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGKILL)


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.api_host else socket.AF_INET
    return socket.create_server(
        (settings.api_host, settings.api_port), family=family, backlog=BACKLOG
    )
