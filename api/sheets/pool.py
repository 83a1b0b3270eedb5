"""Hands each sheet to a process that can be ended, in turns of the tenants."""

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from starlette.requests import ClientDisconnect
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.auth.callers import check_scope, known_caller
from api.middleware.disconnect import answering, while_connected
from api.middleware.request_id import HEADER, request_id
from api.sheets.places import Places
from api.sheets.process import SheetProcess, is_large
from api.sheets.reader import ReceivedRequest
from api.turns.fair_turns import NoTurnError
from core.domain import scopes
from core.errors import BusyError, PackshotError, SheetTimeoutError
from core.links import BATCHES, SHEETS
from core.settings import Settings

_PASSED_ON = (
    "type", "asgi", "http_version", "method", "scheme", "path", "raw_path", "query_string",
    "root_path", "client", "server",
)  # fmt: skip
"""Of a request's scope, beside its headers; the rest belongs to this process."""
START_SECONDS = 60.0
"""How long a process that reads sheets may take to start, on a machine that is busy."""
SPARE = 1
"""Processes more than places.

One that grew, or whose client left, ends; on a busy machine its successor takes a second to start,
which nobody's next sheet waits for.
"""
_OURS = HEADER.lower().encode()
_Answer = asyncio.Queue[Message | Exception | None]
"""Messages as they come, or why there are none; None: that was all."""

logger = logging.getLogger("packshot.api")


class SheetPool:
    """The processes that read sheets."""

    def __init__(self, settings: Settings, *, name: str = "", ahead: bool = True) -> None:
        """Prepare them.

        Args:
            settings: Of the application.
            name: What the names begin with under which the processes count.
            ahead: Whether they start with the application; else with the first sheet, which waits
                some seconds for that.
        """
        self._settings = settings
        self._ahead = ahead
        self.places = Places(places=settings.sheet_processes, queue=settings.sheet_queue)
        self._names = [
            f"{name}sheets{number}" for number in range(settings.sheet_processes + SPARE)
        ]
        self._idle: list[SheetProcess] = []
        self._starting: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Start them in the background, with the server that they are forked from, if ahead."""
        for _ in range(len(self._names) if self._ahead else 0):
            self._start_one()

    def _start_one(self) -> None:
        """Start a process in the background for the next sheet, so that none waits for a start."""
        task = asyncio.create_task(self._start_idle())
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _start_idle(self) -> None:
        if not self._names:
            return
        process = SheetProcess(self._settings, self._names.pop())
        try:
            await process.start()
        except PackshotError as error:
            logger.warning("%s", error.detail)
        finally:
            # Ended, if it does not live: the sheet that needs it tries again.
            if process.ends:
                self._end(process)
            else:
                self._idle.append(process)

    def close(self) -> None:
        """End the processes that read nothing; those that do are killed."""
        for task in self._starting:
            task.cancel()
        while self._idle:
            self._idle.pop().forget()

    async def read(self, tenant: str, request: ReceivedRequest, answer: _Answer) -> None:
        """Read a sheet when it is the tenant's turn, and pass its answer on as it comes.

        Cancelled, it ends the process that reads.
        """
        seconds = self._settings.sheet_seconds
        try:
            async with self._turn(tenant), self._process(request) as process:
                async with asyncio.timeout(seconds):
                    await process.read(request, answer.put_nowait)
        except TimeoutError:
            answer.put_nowait(
                SheetTimeoutError(
                    f"This sheet was not done after {seconds} seconds (PACKSHOT_SHEET_SECONDS) and "
                    "was ended; nothing of it was queued. Send it again when the server has less "
                    "to do, or split it."
                )
            )
        except Exception as error:
            answer.put_nowait(error)
        answer.put_nowait(None)

    @asynccontextmanager
    async def _turn(self, tenant: str) -> AsyncIterator[None]:
        """Wait for a tenant's turn, and hold its place.

        Raises:
            BusyError: It did not come.
        """
        seconds = self._settings.sheet_seconds
        try:
            async with self.places.place(tenant, patience=seconds):
                yield
        except NoTurnError as error:
            raise BusyError(
                f"This sheet has waited {seconds} seconds (PACKSHOT_SHEET_SECONDS) for its turn; "
                "nothing of it was queued. Send it again when others of yours are done."
            ) from error

    @asynccontextmanager
    async def _process(self, request: ReceivedRequest) -> AsyncIterator[SheetProcess]:
        """Yield a process, and kill it if it does not finish."""
        process = await self._idle_process(large=is_large(request))
        try:
            if not process.lives:
                await process.start()
            yield process
        finally:
            self._give_back(process)

    async def _idle_process(self, *, large: bool) -> SheetProcess:
        """Return a process that reads nothing; one that has not begun where none lives.

        A large sheet gets one that has stepped back already, if there is one.
        """
        while True:
            best = sorted(self._idle, key=lambda one: (one.stepped_back != large, not one.lives))
            if best and best[0].lives and self._suits(best[0], large=large):
                self._idle.remove(best[0])
                return best[0]
            if not self._starting:
                break
            # Sooner there than one that begins now.
            await asyncio.wait(self._starting, return_when=asyncio.FIRST_COMPLETED)
        if not self._names:
            self._idle.remove(best[-1])
            self._end(best[-1])
        return SheetProcess(self._settings, self._names.pop())

    def _suits(self, process: SheetProcess, *, large: bool) -> bool:
        """Check whether a sheet may be read by an idle process.

        A small one is by those alone that have not stepped back, and while another starts the last
        of those is left to small ones: clients that send large sheets and leave use up one after
        the other.
        """
        if process.stepped_back or not large:
            return process.stepped_back == large
        ready = sum(one.lives and not one.stepped_back for one in self._idle)
        return ready > 1 or not self._starting

    def _give_back(self, process: SheetProcess) -> None:
        behind = sum(one.stepped_back for one in self._idle)
        if process.ends or (process.stepped_back and behind >= self.places.share):
            self._end(process)
            self._start_one()
        else:
            self._idle.append(process)

    def _end(self, process: SheetProcess) -> None:
        process.kill()
        self._names.append(process.name)


class SheetPoolMiddleware:
    """Answers `POST`s of sheets by the processes of a pool, everything else by the application."""

    def __init__(self, app: ASGIApp, *, pool: SheetPool) -> None:
        self.app = app
        self._pool = pool
        # The name that the request is counted under.
        self._route = Route(BATCHES, endpoint=self._answer, methods=["POST"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        is_sheet = scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in SHEETS
        caller = known_caller(scope) if is_sheet else None
        if caller is None:
            await self.app(scope, receive, send)
            return
        scope["route"] = self._route
        async with answering(scope, receive, send) as answer:
            check_scope(caller, scopes.Scope.SUBMIT)
            with self._pool.places.admit(caller.tenant), _body_file() as body:
                await _save(receive, body)
                request = ReceivedRequest(scope=_passed_on(scope), body=body)
                work = self._answer(caller.tenant, request, answer)
                await while_connected(receive, work, answer)

    async def _answer(self, tenant: str, request: ReceivedRequest, send: Send) -> None:
        # Without a limit: a client that reads slowly keeps no process.
        answer: _Answer = asyncio.Queue()
        reading = asyncio.create_task(self._pool.read(tenant, request, answer))
        try:
            while (item := await answer.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                await send(item)
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading


@contextmanager
def _body_file() -> Iterator[Path]:
    """Yield an empty file, in which a body waits for its turn."""
    try:
        file = tempfile.NamedTemporaryFile(prefix="packshot-sheet-")  # noqa: SIM115
    except OSError as error:
        raise _no_room(error) from error
    with file:
        yield Path(file.name)


async def _save(receive: Receive, path: Path) -> None:
    more = True
    try:
        with path.open("wb") as file:
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                file.write(message.get("body", b""))
                more = message.get("more_body", False)
    except OSError as error:
        raise _no_room(error) from error


def _no_room(error: OSError) -> BusyError:
    return BusyError(
        f"The sheet cannot be kept until it is read ({error.strerror}). Send it again in a moment."
    )


def _passed_on(scope: Scope) -> dict[str, object]:
    headers = [(name, value) for name, value in scope["headers"] if name.lower() != _OURS]
    return {
        **{name: scope[name] for name in _PASSED_ON if name in scope},
        "headers": [*headers, (_OURS, request_id(scope).encode())],
    }
