"""Idempotency-Key: a POST that comes twice is done once, and answered twice.

For every POST under /v1, whichever its route: the middleware opens the transaction that the route
works in (`api.dependencies.get_session`), waits for the answer, and commits both together. Only
what was done is kept, an answer of 2xx: what was refused or failed did nothing, and may be sent
again with the same key.
"""

import hashlib
import re
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import IO

from fastapi.concurrency import run_in_threadpool
from sqlmodel import Session
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.callers import find_caller
from api.problems import answer_error
from api.routing import HELD
from api.services import Services
from core.errors import AnswerNotKeptError, InvalidRequestError, ServiceDownError
from core.idempotency import LARGEST_ANSWER, Answer, Attempt, begin, record

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"

SESSION = "packshot.session"
"""Where a request's scope holds the transaction that the middleware opened."""

_IN_MEMORY = 2**20
_CHUNK = 2**16
_KEY = re.compile(r'"([\x20-\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x7e]{1,255})')


class IdempotencyMiddleware:
    """Makes every POST under /v1 repeatable."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        sent = Headers(scope=scope).get(HEADER) if scope["type"] == "http" else None
        if sent is None or scope["method"] != "POST" or not scope["path"].startswith("/v1/"):
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        with SpooledTemporaryFile(max_size=_IN_MEMORY) as body:
            try:
                caller = await run_in_threadpool(find_caller, request.state.services, scope)
                attempt = None
                if caller is not None:
                    key, digest = read_key(sent), await _receive(scope, receive, body)
                    attempt = Attempt(api_key_id=caller.id, key=key, digest=digest)
            except ClientDisconnect:
                return
            except Exception as error:
                await answer_error(request, error)(scope, receive, send)
                return
            if attempt is None:
                # The route says what is wrong with the key.
                await self.app(scope, receive, send)
            else:
                await self._in_place(scope, _replay(body, receive), send, attempt)

    async def _in_place(self, scope: Scope, receive: Receive, send: Send, attempt: Attempt) -> None:
        services: Services = scope["state"]["services"]
        async with AsyncExitStack() as place:
            try:
                await place.enter_async_context(services.places.place())
            except ServiceDownError as error:
                await answer_error(Request(scope), error)(scope, receive, send)
                return
            await self._once(scope, receive, send, attempt, place)

    async def _once(
        self, scope: Scope, receive: Receive, send: Send, attempt: Attempt, place: AsyncExitStack
    ) -> None:
        services: Services = scope["state"]["services"]
        session = services.database.writer()
        session.info[HELD] = True
        try:
            ttl_seconds = services.settings.idempotency_seconds
            answer: Response | None = None
            try:
                before = await run_in_threadpool(begin, session, attempt, ttl_seconds=ttl_seconds)
                if before is not None:
                    answer = _again(before)
            except Exception as error:
                answer = answer_error(Request(scope), error)
            if answer is not None:
                # Nobody else has to wait for it.
                await run_in_threadpool(session.close)
                await answer(scope, receive, send)
                return
            scope[SESSION] = session
            sender = _Sender(scope=scope, send=send, session=session, attempt=attempt, place=place)
            with suppress(_UndoneError):
                await self.app(scope, receive, sender)
        finally:
            await run_in_threadpool(session.close)


def read_key(sent: str) -> str:
    """Read the header's value, a quoted string as in the draft or a bare one.

    Raises:
        InvalidRequestError: It is neither.
    """
    found = _KEY.fullmatch(sent.strip())
    if found is None:
        raise InvalidRequestError(
            f"{HEADER} must be 1 to 255 visible ASCII characters, a new UUID for example."
        )
    return found[1] or found[2]


async def _receive(scope: Scope, receive: Receive, body: IO[bytes]) -> str:
    """Receive a body into a file, and digest the request meanwhile.

    Raises:
        ClientDisconnect: The client left before its end.
    """
    digest = _RequestDigest(scope)
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        digest.update(chunk)
        body.write(chunk)
        more = message.get("more_body", False)
    body.seek(0)
    return digest.finish()


class _RequestDigest:
    """SHA-256 of a request's method, path, query and body.

    The boundary of a form is left out: clients make a new one each time.
    """

    def __init__(self, scope: Scope) -> None:
        content_type = Headers(scope=scope).get("content-type", "")
        media_type, _, parameters = content_type.partition(";")
        boundary = re.search(r'boundary="?([^";]+)', parameters)
        self._boundary = boundary[1].strip().encode() if boundary else b""
        self._rest = b""
        head = (scope["method"], scope["path"], scope["query_string"].decode("latin-1"))
        named = "\n".join((*head, media_type.strip().lower(), ""))
        self._hash = hashlib.sha256(named.encode(errors="surrogatepass"))

    def update(self, chunk: bytes) -> None:
        """Go on."""
        if not self._boundary:
            self._hash.update(chunk)
            return
        parts = (self._rest + chunk).split(self._boundary)
        for part in parts[:-1]:
            self._hash.update(part)
        # The boundary may go on in the next chunk.
        kept = len(self._boundary) - 1
        last = parts[-1]
        self._hash.update(last[: max(0, len(last) - kept)])
        self._rest = last[max(0, len(last) - kept) :]

    def finish(self) -> str:
        """Give the digest, hex."""
        self._hash.update(self._rest)
        return self._hash.hexdigest()


def _replay(body: IO[bytes], receive: Receive) -> Receive:
    """Give a body that was received before, then whatever else comes."""
    ended = False

    async def receive_again() -> Message:
        nonlocal ended
        if ended:
            return await receive()
        chunk = body.read(_CHUNK)
        ended = len(chunk) < _CHUNK
        return {"type": "http.request", "body": chunk, "more_body": not ended}

    return receive_again


def _again(answer: Answer) -> Response:
    """Give an answer a second time.

    Raises:
        AnswerNotKeptError: It was not kept.
    """
    headers = {**dict(answer.headers), REPLAYED: "true"}
    if answer.body is None:
        where = headers.get("location")
        raise AnswerNotKeptError(
            "This was done when it came first, but its answer was not kept: it was too long, or "
            "showed a secret once." + (f" What was made is at {where}." if where else "")
        )
    return Response(answer.body, status_code=answer.status, headers=headers)


class _UndoneError(Exception):
    """The route's work was undone, and the client told so."""


@dataclass(kw_only=True)
class _Sender:
    """Holds the route's answer back until it is committed with the route's work."""

    scope: Scope
    send: Send
    session: Session
    attempt: Attempt
    place: AsyncExitStack
    """Left as soon as the transaction is over: a client may take its time to read."""
    start: Message = field(default_factory=dict)
    bodies: list[bytes] = field(default_factory=list)
    sending: bool = False
    """Whether the answer goes on to the client."""

    async def __call__(self, message: Message) -> None:
        """Take one message of the answer.

        Raises:
            _UndoneError: The client got another answer instead.
        """
        if message["type"] == "http.response.start":
            self.start = message
            return
        if self.sending or message["type"] != "http.response.body":
            await self.send(message)
            return
        self.bodies.append(message.get("body", b""))
        more = message.get("more_body", False)
        if more and sum(map(len, self.bodies)) <= LARGEST_ANSWER:
            return
        self.sending = True
        try:
            await run_in_threadpool(self._settle, complete=not more)
            await self.place.aclose()
        except Exception as error:
            # First: the client may come again the moment it has its answer.
            await run_in_threadpool(self.session.rollback)
            request = Request(self.scope)
            await answer_error(request, error)(self.scope, _nothing, self.send)
            # Else what the route leaves for after its answer would go on with work that is undone.
            raise _UndoneError from error
        await self.send(self.start)
        await self.send({**message, "body": b"".join(self.bodies)})

    def _settle(self, *, complete: bool) -> None:
        """Commit the work with its answer, or undo what was refused."""
        status = self.start["status"]
        if not 200 <= status < 300:
            self.session.rollback()
            return
        headers = [(name.decode(), value.decode()) for name, value in self.start["headers"]]
        body = b"".join(self.bodies)
        secret = "no-store" in dict(headers).get("cache-control", "")
        kept = complete and len(body) <= LARGEST_ANSWER and not secret
        answer = Answer(status=status, headers=headers, body=body if kept else None)
        record(self.session, self.attempt, answer)
        self.session.commit()


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
