"""A reverse proxy for `POST`s of sheets to the service for sheets (`api.sheets`)."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import suppress
from typing import Any

import httpcore
from starlette.requests import ClientDisconnect
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.auth.callers import check_scope, known_caller
from api.middleware.disconnect import answering, while_connected
from api.middleware.request_id import HEADER, request_id
from core.domain import scopes
from core.errors import ServiceDownError, UnauthorizedError
from core.links import BATCHES, SHEETS

CHECK_SECONDS = 5.0
"""Pause between two looks at whether the service still lives, while it has a sheet."""
SILENCE_SECONDS = 15.0
"""How long it may take to say so; its sheets are read by other processes."""

Headers = Sequence[tuple[bytes, bytes]]

_OF_ONE_CONNECTION = {b"connection", b"expect", b"keep-alive", b"te", b"trailer", b"upgrade"}
"""RFC 9110, section 7.6.1. `Transfer-Encoding` stays: it tells that chunks follow."""
_OURS = HEADER.lower().encode()


class SheetProxyMiddleware:
    """Passes whole requests with sheets on, and whole answers back."""

    def __init__(
        self, app: ASGIApp, *, url: str, connect_timeout: float, answer_timeout: float
    ) -> None:
        """Wrap an application.

        Args:
            app: What answers all other requests.
            url: Of the service for sheets.
            connect_timeout: Seconds until it must have taken the connection.
            answer_timeout: Seconds that it may be silent over a sheet. One that is stopped is
                noticed before.
        """
        self.app = app
        self._url = url.rstrip("/")
        self._connect = {"connect": connect_timeout}
        self._timeout = self._connect | {"read": answer_timeout, "write": answer_timeout}
        # The name that the request is counted under.
        self._route = Route(BATCHES, endpoint=self._forward, methods=["POST"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] not in SHEETS:
            await self.app(scope, receive, send)
            return
        scope["route"] = self._route
        sent = asyncio.Event()

        async def receive_rest() -> Message:
            await sent.wait()
            return await receive()

        async with answering(scope, receive, send) as answer:
            caller = known_caller(scope)
            if caller is None:
                raise UnauthorizedError
            # Here, too: the other process could refuse only a sheet that has been sent to it.
            check_scope(caller, scopes.Scope.SUBMIT)
            work = self._while_it_lives(self._forward(scope, _body(receive, sent), answer))
            await while_connected(receive_rest, work, answer)

    async def _forward(self, scope: Scope, body: AsyncIterator[bytes], send: Send) -> None:
        try:
            # A connection of its own: a sheet is rare, and takes longer than connecting.
            async with (
                httpcore.AsyncConnectionPool() as pool,
                pool.stream(
                    "POST",
                    self._target(scope),
                    headers=_request_headers(scope),
                    content=body,
                    extensions={"timeout": self._timeout},
                ) as answer,
            ):
                headers = _passed_on(answer.headers, without=_OURS)
                await send(_start(answer.status, headers))
                async for chunk in answer.aiter_stream():
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            raise self._away() from error

    async def _while_it_lives(self, work: Coroutine[Any, Any, None]) -> None:
        """Pass a sheet on, and give it up when the service says nothing any more.

        One that is stopped keeps its connections: the kernel acknowledges for it.

        Raises:
            ServiceDownError: It does not answer.
        """
        working = asyncio.create_task(work)
        try:
            while not working.done():
                await asyncio.wait((working,), timeout=CHECK_SECONDS)
                if not working.done():
                    await self._ask()
            await working
        finally:
            working.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await working

    async def _ask(self) -> None:
        timeout = self._connect | {"read": SILENCE_SECONDS, "write": SILENCE_SECONDS}
        try:
            async with httpcore.AsyncConnectionPool() as pool:
                await pool.request("GET", f"{self._url}/healthz", extensions={"timeout": timeout})
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            raise self._away() from error

    def _away(self) -> ServiceDownError:
        return ServiceDownError(
            f"The service for sheets at {self._url} does not answer, or ended while it had this "
            "one; its log says why. Send the sheet again, in parts if it is very large: memory may "
            "have run out."
        )

    def _target(self, scope: Scope) -> bytes:
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        return f"{self._url}{scope['path']}".encode() + query


def _request_headers(scope: Scope) -> Headers:
    named = (_OURS, request_id(scope).encode())
    return [*_passed_on(scope["headers"], without=_OURS), named]


def _passed_on(headers: Headers, *, without: bytes) -> Headers:
    left_out = _OF_ONE_CONNECTION | {without}
    return [(name, value) for name, value in headers if name.lower() not in left_out]


def _start(status: int, headers: Headers) -> Message:
    # The server says itself how the body comes.
    own = [(name, value) for name, value in headers if name.lower() != b"transfer-encoding"]
    return {"type": "http.response.start", "status": status, "headers": own}


async def _body(receive: Receive, sent: asyncio.Event) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        yield message.get("body", b"")
        more = message.get("more_body", False)
    sent.set()
