"""Answers with stored bytes: read in threads of their own, and sent as fast as they are taken.

S3 may hang, and a reader may stop to read. Neither keeps a connection to Postgres, nor one of the
threads that answer other requests; who comes while too many wait is told to come again.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import structlog
from anyio import CapacityLimiter, fail_after, to_thread
from fastapi import Request, Response
from starlette.datastructures import MutableHeaders
from starlette.types import Receive, Scope, Send

from api.middleware.disconnect import while_reading
from api.problems import answer_error
from api.turns.fair_turns import FairCounts, FairTurns, NoTurnError
from core.errors import PackshotError, first_line

WAIT_SECONDS = 5.0
"""How long an answer waits for one of its threads before it is refused."""
STALLED_SECONDS = 60.0
"""How long a reader may take nothing before its answer ends."""
SENT_AT_ONCE = 64 * 1024
"""Bytes: the server keeps as many in memory for a reader that is slow."""
RETRY_SECONDS = 10

log = structlog.get_logger("packshot.api")

T = TypeVar("T")


class DownloadsBusyError(PackshotError):
    """Many downloads are running, or wait for the storage; ask for this one again in a moment."""

    code = "downloads_busy"
    status = 503
    retry_helps = True


class TooManyDownloadsError(PackshotError):
    """As many large downloads of your tenant are running as may; ask again when one has ended."""

    code = "too_many_downloads"
    status = 429
    retry_helps = True


@dataclass(frozen=True, kw_only=True)
class Opened:
    """An answer whose beginning is known."""

    headers: Mapping[str, str]
    status: int = 200
    body: bytes = b""
    """What is in memory already."""
    chunks: Iterator[bytes] = field(default_factory=lambda: iter(()))
    """What follows; read in a thread, each chunk when the one before was taken."""
    counted_for: str | None = None
    """The tenant among whose large downloads it counts; None: it is not large."""


class DownloadThreads:
    """The threads of one kind of answer: those of other kinds do not wait for them.

    Tenants take turns for them, and none has more than half.
    """

    def __init__(self, number: int) -> None:
        self._turns = FairTurns(number)
        self._threads = CapacityLimiter(number)

    async def run(self, tenant: str, work: Callable[[], T], *, patience: float | None = None) -> T:
        """Work in one of them.

        Args:
            tenant: Whose turn it takes.
            work: What is done.
            patience: How long to wait for one of them, in seconds; None: as long as it takes.

        Raises:
            DownloadsBusyError: None got free in time.
        """
        try:
            async with self._turns.place(tenant, patience=patience):
                return await to_thread.run_sync(work, limiter=self._threads)
        except NoTurnError as error:
            raise DownloadsBusyError(retry_after=RETRY_SECONDS) from error


class Downloads:
    """What one process reads and sends; only its event loop's thread calls it."""

    def __init__(self, most: int) -> None:
        """Create the threads.

        Args:
            most: Large downloads at the same time; half of them for each tenant.
        """
        self.images = DownloadThreads(16)
        self.tables = DownloadThreads(2)
        self.archives = DownloadThreads(4)
        self.readers = ThreadPoolExecutor(8, thread_name_prefix="archive")
        """Read an archive's next files, for the thread that writes it."""
        self._large = FairCounts(most)

    def begin(self, tenant: str | None) -> None:
        """Count a large download of a tenant; None: it is not large.

        Raises:
            TooManyDownloadsError: The tenant has as many as it may.
            DownloadsBusyError: The process has as many as it may.
        """
        if tenant is not None:
            self._large.begin(
                tenant,
                own=TooManyDownloadsError(retry_after=RETRY_SECONDS),
                others=DownloadsBusyError(retry_after=RETRY_SECONDS),
            )

    def close(self) -> None:
        """Read nothing more."""
        self.readers.shutdown(wait=False)

    def end(self, tenant: str | None) -> None:
        """Count one that was begun no more."""
        if tenant is not None:
            self._large.end(tenant)


class DownloadResponse(Response):
    """An answer that is opened and read after its route has ended, which holds no session then."""

    def __init__(
        self,
        downloads: Downloads,
        threads: DownloadThreads,
        tenant: str,
        open_: Callable[[], Opened],
    ) -> None:
        """Prepare it.

        Args:
            downloads: Those of this process.
            threads: Which of them read it.
            tenant: Whose turns it takes for them.
            open_: Opens it, in such a thread; what it raises is answered as a route's error is.
        """
        super().__init__()
        self._downloads = downloads
        self._threads = threads
        self._tenant = tenant
        self._open = open_

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            opened = await self._threads.run(self._tenant, self._open, patience=WAIT_SECONDS)
            self._downloads.begin(opened.counted_for)
        except Exception as error:
            await answer_error(Request(scope), error)(scope, receive, send)
            return
        try:
            async with while_reading(receive):
                await self._answer(opened, send, with_body=scope["method"] != "HEAD")
        finally:
            self._downloads.end(opened.counted_for)
            if isinstance(opened.chunks, Generator):
                opened.chunks.close()

    async def _answer(self, opened: Opened, send: Send, *, with_body: bool) -> None:
        headers = MutableHeaders(dict(opened.headers)).raw
        await send({"type": "http.response.start", "status": opened.status, "headers": headers})
        try:
            if with_body:
                await self._send_all(opened.body, send)
                following = partial(next, opened.chunks, None)
                while (chunk := await self._threads.run(self._tenant, following)) is not None:
                    await self._send_all(chunk, send)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except Exception as error:
            # The server closes the connection behind what is not complete, and the reader sees it.
            log.warning("a download was broken off", reason=first_line(error))

    async def _send_all(self, content: bytes, send: Send) -> None:
        """Send it in parts.

        Raises:
            TimeoutError: The reader takes nothing.
        """
        for start in range(0, len(content), SENT_AT_ONCE):
            part = content[start : start + SENT_AT_ONCE]
            with fail_after(STALLED_SECONDS):
                await send({"type": "http.response.body", "body": part, "more_body": True})
