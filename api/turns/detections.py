"""Marks of uploads, read in a process for each: strangers' files, decoded whole, may cost much."""

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from anyio import CapacityLimiter, to_thread

from api.process.bounds import allow_seconds, limit_memory, step_back
from api.turns.fair_turns import FairTurns, NoTurnError
from core.errors import InvalidImageError, PackshotError
from core.pictures.marks import MarkReader, Marks

MOST_PIXELS = 16 * 10**6
"""Of one picture; reading one takes 350 MiB."""
MEMORY_BYTES = 384 * 2**20
SECONDS = 30
"""For which one picture may be read."""
WAIT_SECONDS = 10.0
"""How long a picture waits for its turn before it is refused."""
_PLACES = 1
"""Pictures that an API process has read at the same time; tenants take turns."""

_CONTEXT = multiprocessing.get_context("forkserver")


class DetectionsBusyError(PackshotError):
    """Many images are being looked at; send this one again in a moment."""

    code = "detections_busy"
    status = 503
    retry_helps = True


class CostlyImageError(InvalidImageError):
    """Reading the image takes more time or memory than one may. Make it smaller."""

    code = "image_too_costly"


class Detections:
    """What one process has read; only its event loop's thread calls it."""

    def __init__(self, reader: Callable[[], MarkReader]) -> None:
        """Prepare.

        Args:
            reader: Gives what reads, in a thread: it may ask Postgres for the certificate.
        """
        self._reader = reader
        self._turns = FairTurns(_PLACES)
        self._threads = CapacityLimiter(_PLACES)

    async def read(self, tenant: str, body: bytes) -> Marks:
        """Read a file's marks when it is a tenant's turn.

        Raises:
            DetectionsBusyError: It was not in time.
            InvalidImageError: It is no picture that can be read.
        """
        try:
            async with self._turns.place(tenant, patience=WAIT_SECONDS):
                return await to_thread.run_sync(self._read_apart, body, limiter=self._threads)
        except NoTurnError as error:
            raise DetectionsBusyError from error

    def _read_apart(self, body: bytes) -> Marks:
        answers, theirs = _CONTEXT.Pipe(duplex=False)
        reader = self._reader()
        process = _CONTEXT.Process(target=_run, args=(theirs, reader, body), daemon=True)
        with answers:
            process.start()
            # Or its end would not be seen.
            theirs.close()
            try:
                answer: Any = answers.recv() if answers.poll(SECONDS) else CostlyImageError()
            except EOFError:
                answer = CostlyImageError()
            finally:
                process.kill()
                process.join()
                process.close()
        if isinstance(answer, Marks):
            return answer
        raise answer


def _run(answers: Connection, reader: MarkReader, body: bytes) -> None:
    """Read one file within limits; what comes of it goes to the process that waits for it."""
    step_back()
    allow_seconds(SECONDS)
    # Its threads' buffers would be most of what is allowed.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    # Loads NumPy, which does not count.
    import core.pictures.watermark.detection  # noqa: F401, PLC0415

    limit_memory(MEMORY_BYTES)
    try:
        answers.send(reader.read(body, most_pixels=MOST_PIXELS))
    except MemoryError:
        answers.send(CostlyImageError())
    except InvalidImageError as error:
        answers.send(error)
