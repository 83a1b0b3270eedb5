"""A process that reads sheets, as the one sees it that hands them out."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psutil
from starlette.types import Message

from api.sheets.reader import ReceivedRequest, SheetDone, run
from core.errors import BusyError, SheetTooCostlyError
from core.settings import Settings

_CONTEXT = multiprocessing.get_context("forkserver")
# Forked from one that has imported all of it, a process starts at once and shares that memory.
_CONTEXT.set_forkserver_preload(["api.app", "api.sheets.reader"])

LARGE_BYTES = 256 * 2**10
"""A sheet of more is a large one from the start: some thousand rows."""
LARGE_SECONDS = 1.0
"""Of computing, from which on any sheet is one; ten rows take a tenth of that."""
STEP_BACK = 5
"""Added then to the niceness of the process: behind small sheets, beside the workers."""


class SheetProcess:
    """One of the processes that read sheets; it can be killed at any moment."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.name = name
        self._settings = settings
        self._connection, theirs = _CONTEXT.Pipe()
        self._theirs = theirs
        self._process = _CONTEXT.Process(
            target=run, args=(theirs, settings, name), name=name, daemon=True
        )
        self.stepped_back = False
        """Whether it is behind those that read small sheets, for good."""
        self.ends = True
        """Whether it is of no more use: it has not begun, is in the middle of a sheet, or grew."""

    @property
    def lives(self) -> bool:
        """Check whether it runs."""
        return self._process.pid is not None and self._process.is_alive()

    async def start(self) -> None:
        """Start it, and wait until it is ready.

        Raises:
            BusyError: It ended before.
        """
        await asyncio.to_thread(self._start)
        await self._relay(lambda _: None)

    def _start(self) -> None:
        self._process.start()
        # Or its end would not be seen.
        self._theirs.close()

    async def read(self, request: ReceivedRequest, deliver: Callable[[Message], None]) -> None:
        """Read a sheet; each message of the answer is delivered as it comes.

        Raises:
            SheetTooCostlyError: It computed for as long as one sheet may.
            BusyError: The process ended.
        """
        self.ends = True
        self._connection.send(request)
        watching = asyncio.create_task(self._step_back(at_once=is_large(request)))
        try:
            await self._relay(deliver)
        finally:
            watching.cancel()

    async def _relay(self, deliver: Callable[[Message], None]) -> None:
        try:
            while not isinstance(message := await self._receive(), SheetDone):
                deliver(message)
        except (EOFError, OSError) as error:
            raise await asyncio.to_thread(self._reason) from error
        self.ends = message.ends

    async def _receive(self) -> Any:
        loop, descriptor = asyncio.get_running_loop(), self._connection.fileno()
        readable = asyncio.Event()
        loop.add_reader(descriptor, readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(descriptor)
        return self._connection.recv()

    async def _step_back(self, *, at_once: bool) -> None:
        """Lower its priority for a large sheet: behind those that read small ones, too.

        No process gets a better priority again, so it reads large sheets from then on.
        """
        if self.stepped_back:
            return
        with suppress(psutil.Error, OSError):
            process = psutil.Process(self._process.pid)
            before = _computed(process)
            while not at_once and _computed(process) < before + LARGE_SECONDS:
                await asyncio.sleep(LARGE_SECONDS)
            self.stepped_back = True
            # On Linux each thread has its own; those to come take that of who starts them.
            niceness = process.nice() + STEP_BACK
            for thread in process.threads():
                os.setpriority(os.PRIO_PROCESS, thread.id, niceness)

    def _reason(self) -> SheetTooCostlyError | BusyError:
        """Return why the process ended."""
        self._process.join(timeout=10)
        if self._process.exitcode == -signal.SIGXCPU:
            return SheetTooCostlyError(
                f"This sheet took {self._settings.sheet_cpu_seconds} seconds of computing and was "
                "not done, which is the most (PACKSHOT_SHEET_CPU_SECONDS); nothing of it was "
                "queued. Make its templates simpler and its cells shorter, or split it."
            )
        return BusyError(
            "The process that read this sheet ended; the log of the service for sheets says why. "
            "Send the sheet again, in parts if it is very large: memory may have run out."
        )

    def kill(self) -> None:
        """End the process at once; what it had begun in a database ends with it."""
        if self._process.pid is not None:
            self._process.kill()
        self._connection.close()

    def forget(self) -> None:
        """Leave the process to end by itself."""
        self._connection.close()


def is_large(request: ReceivedRequest) -> bool:
    """Check whether a sheet is a large one before it is read."""
    return request.body.stat().st_size > LARGE_BYTES


def _computed(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
