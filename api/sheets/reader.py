"""A process that reads sheets, one after the other, within its limits: what runs in it."""

import asyncio
import logging
import signal
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from prometheus_client import values
from starlette.types import ASGIApp, Message

from api.process.bounds import allow_seconds, limit_memory, resident_bytes, step_back
from api.process.main import end_with_parent
from api.services import Services
from core import logs
from core.settings import Settings

_CHUNK = 2**20
_GROWN = 128 * 2**20
"""Bytes by which a process may grow before its memory is given back with it."""

logger = logging.getLogger("packshot.api")


@dataclass(frozen=True, kw_only=True)
class ReceivedRequest:
    """A request that was received whole."""

    scope: Mapping[str, Any]
    """What its headers say, as ASGI has it."""
    body: Path


@dataclass(frozen=True, kw_only=True)
class SheetDone:
    """All of a request is done, what follows its answer too."""

    ends: bool
    """Whether the process ends, because it has grown."""


def run(connection: Connection, settings: Settings, name: str) -> None:
    """Read sheets until nobody sends any.

    Args:
        connection: To the process that hands sheets out: `ReceivedRequest`s come, ASGI messages of
            the answer and then a `SheetDone` go. The first `SheetDone` says that the process is
            ready.
        settings: Of the application.
        name: Of the process; the one that takes its place counts on under it.
    """
    # Ctrl-C reaches every process of a terminal; whoever hands the sheets out ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    step_back()
    threading.Thread(target=end_with_parent, daemon=True).start()
    logs.configure(settings.log_level, settings.log_format)
    if values.ValueClass._multiprocess:
        values.ValueClass = values.MultiProcessValue(lambda: name)  # type: ignore[no-untyped-call]
    with suppress(EOFError, BrokenPipeError):
        asyncio.run(_read_sheets(connection, settings))


async def _read_sheets(connection: Connection, settings: Settings) -> None:
    # Not above: the application's modules import this one.
    from api.app import create_app  # noqa: PLC0415

    app = create_app(settings, counts=False, freeze=True)
    async with app.router.lifespan_context(app) as given:
        state = dict(given or {})
        services: Services = state["services"]
        # Tokenizers take a moment to read.
        list(services.models.usable())
        limit_memory(settings.sheet_memory_bytes)
        before = resident_bytes()
        connection.send(SheetDone(ends=False))
        ends = False
        while not ends:
            request = await asyncio.to_thread(connection.recv)
            allow_seconds(settings.sheet_cpu_seconds)
            await _answer(app, state, request, connection)
            ends = resident_bytes() > before + _GROWN
            connection.send(SheetDone(ends=ends))


async def _answer(
    app: ASGIApp, state: dict[str, Any], request: ReceivedRequest, connection: Connection
) -> None:
    with request.body.open("rb") as body:

        async def receive() -> Message:
            if chunk := body.read(_CHUNK):
                return {"type": "http.request", "body": chunk, "more_body": True}
            if not body.closed:
                body.close()
                return {"type": "http.request", "body": b"", "more_body": False}
            # Whoever leaves ends this process.
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: Message) -> None:
            connection.send(message)

        # The server's own error is answered already, and logged.
        with suppress(Exception):
            await app({**request.scope, "state": state}, receive, send)
